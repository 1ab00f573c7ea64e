"""Redis: revoked tokens, rate limits, server-side sessions. No request fails because it is away."""

from typing import Annotated

from fastapi import Depends
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from starlette.requests import HTTPConnection

from app import project
from app.core.settings import Settings


def create_redis(settings: Settings) -> Redis:
    """Return a client that connects when first used and gives up quickly.

    It never tries again by itself: while Redis is away, no request shall wait for it repeatedly.
    """
    return Redis.from_url(
        settings.redis_url.get_secret_value(),
        client_name=project.SLUG,
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=settings.redis_timeout_seconds,
        socket_timeout=settings.redis_timeout_seconds,
    )


def get_redis(connection: HTTPConnection) -> Redis:
    """Return the application's Redis client, as a dependency of an endpoint."""
    redis: Redis = connection.app.state.redis
    return redis


RedisDep = Annotated[Redis, Depends(get_redis)]
