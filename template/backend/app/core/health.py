"""Whether the process lives, and whether it can do its work."""

import asyncio
from typing import Final, Literal

import structlog
from fastapi import APIRouter
from pydantic import BaseModel
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.core.database import Database, DatabaseDep
from app.core.errors import UnavailableError, problem_responses
from app.core.redis import RedisDep

logger = structlog.get_logger(__name__)
router = APIRouter(prefix="/health", tags=["health"])

PATIENCE: Final = 2.0
"""Seconds that a probe waits: less than the 3 s after which probes usually count as failed."""


class Health(BaseModel):
    """The process answers."""

    status: Literal["healthy"] = "healthy"


class Readiness(BaseModel):
    """What the application needs answers. Without Redis it serves, with less protection."""

    status: Literal["ready"] = "ready"
    database: Literal["ok"] = "ok"
    redis: Literal["ok", "degraded"]


@router.get("", summary="Is the process alive?")
async def live() -> Health:
    """Answer at once and look at nothing: a restart would not bring a database back."""
    return Health()


@router.get("/ready", summary="Can it serve?", responses=problem_responses(503))
async def ready(database: DatabaseDep, redis: RedisDep) -> Readiness:
    """Ask the database, which is required, and Redis, which is not."""
    database_fault, redis_fault = await asyncio.gather(ask_database(database), ask_redis(redis))
    redis_state: Literal["ok", "degraded"] = "degraded" if redis_fault else "ok"
    if database_fault:
        logger.warning("not ready", database=database_fault, redis=redis_fault)
        raise UnavailableError(
            "The database does not answer.", database="unavailable", redis=redis_state
        )
    return Readiness(redis=redis_state)


async def ask_database(database: Database) -> str | None:
    """Return what is wrong with the database, or nothing."""
    try:
        async with asyncio.timeout(PATIENCE):
            await database.ping()
    except (SQLAlchemyError, OSError, UnavailableError) as error:
        return repr(error)
    return None


async def ask_redis(redis: Redis) -> str | None:
    """Return what is wrong with Redis, or nothing."""
    try:
        async with asyncio.timeout(PATIENCE):
            await redis.ping()
    except (RedisError, OSError) as error:
        return repr(error)
    return None
