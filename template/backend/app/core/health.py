"""Whether the process lives, and whether it can do its work."""

import asyncio
import random
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

EXHAUSTED_SECONDS: Final = 10.0 + 5.0 * random.random()  # noqa: S311 - no secret
"""For how long no connection of the pool may have come back while requests were refused for it.

A pool that is busy, or exhausted for a moment, is no reason to be sent no more requests: others
would have to serve them, and be exhausted next. After that long, this process serves nothing that
needs data, and others may. Each process has a patience of its own, so that those that share a slow
database are not all given up at the same moment. It serves again when one connection is back."""


class Health(BaseModel):
    """The process answers."""

    status: Literal["healthy"] = "healthy"


class Readiness(BaseModel):
    """What the application needs answers. Without Redis it serves, with less protection."""

    status: Literal["ready"] = "ready"
    database: Literal["ok"] = "ok"
    pool: Literal["ok", "busy"]
    redis: Literal["ok", "degraded"]


@router.get("", summary="Is the process alive?")
async def live() -> Health:
    """Answer at once and look at nothing: a restart would not bring a database back."""
    return Health()


@router.get("/ready", summary="Can it serve?", responses=problem_responses(503))
async def ready(database: DatabaseDep, redis: RedisDep) -> Readiness:
    """Ask the database, which is required, and Redis, which is not.

    The database is asked over a connection of its own, which is there while all others are in use.
    """
    database_fault, redis_fault = await asyncio.gather(ask_database(database), ask_redis(redis))
    redis_state: Literal["ok", "degraded"] = "degraded" if redis_fault else "ok"
    pool = database.pool
    exhausted = pool.stuck_seconds > EXHAUSTED_SECONDS
    if database_fault or exhausted:
        logger.warning("not ready", database=database_fault, pool=exhausted, redis=redis_fault)
        raise UnavailableError(
            "The database does not answer."
            if database_fault
            else "Every database connection has been in use for long.",
            headers={"Retry-After": "5"},
            database="unavailable" if database_fault else "ok",
            pool="exhausted" if exhausted else "busy" if pool.is_busy else "ok",
            redis=redis_state,
        )
    return Readiness(pool="busy" if pool.is_busy else "ok", redis=redis_state)


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
