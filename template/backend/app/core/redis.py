"""Redis: revoked tokens, rate limits, server-side sessions.

No request fails because it is away: the application does without it, quickly, counted, and logged
once per outage.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar

import structlog
from fastapi import Depends
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from starlette.requests import HTTPConnection

from app import project
from app.core.settings import Settings

logger = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

MAX_CONNECTIONS: Final = 50
"""Of one process; a question takes a connection for about a millisecond."""

REST_SECONDS: Final = 1.0
"""How long Redis is not asked again after it has not answered. Without a rest, every request would
wait for the timeout of a Redis that hangs; with a longer one, protection would come back later than
it could."""


def create_redis(settings: Settings) -> Redis:
    """Return a client that connects when first used and gives up quickly.

    It never tries again by itself: while Redis is away, no request shall wait for it repeatedly.
    More questions at once than there are connections wait for one, as long as for an answer.
    """
    pool = BlockingConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=MAX_CONNECTIONS,
        timeout=settings.redis_timeout_seconds,
        client_name=project.SLUG,
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=settings.redis_timeout_seconds,
        socket_timeout=settings.redis_timeout_seconds,
    )
    return Redis.from_pool(pool)


def get_redis(connection: HTTPConnection) -> Redis:
    """Return the application's Redis client."""
    redis: Redis = connection.app.state.redis
    return redis


async def _get_redis(connection: HTTPConnection) -> Redis:
    """As `get_redis`; FastAPI would run a function that is not async in another thread."""
    return get_redis(connection)


RedisDep = Annotated[Redis, Depends(_get_redis)]


class Outage:
    """Asks a part that may be away, and keeps count of the questions that it does not answer.

    Args:
        part: what is asked, as logs name it.
        consequence: what the application does meanwhile, for the person who reads the log.
        rest: seconds for which the part is not asked again.
    """

    def __init__(self, part: str, consequence: str, rest: float = REST_SECONDS) -> None:
        self.part = part
        self.consequence = consequence
        self.unanswered = 0
        """Questions without an answer since the process started, for metrics."""
        self._rest = rest
        self._rest_until = 0.0
        self._began: float | None = None
        self._unanswered_before = 0

    @property
    def is_under_way(self) -> bool:
        """Whether the last question got no answer."""
        return self._began is not None

    async def ask(self, question: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """Return the answer, or None when there is none: a question must not answer None itself."""
        if time.monotonic() < self._rest_until:
            self.unanswered += 1
            return None
        try:
            answer = await question()
        except (RedisError, OSError, TimeoutError) as error:
            self.note_failure(error)
            return None
        self.note_answer()
        return answer

    def note_failure(self, error: Exception) -> None:
        """Count a question without an answer; the first one begins an outage."""
        now = time.monotonic()
        self._rest_until = now + self._rest
        if self._began is None:
            self._began, self._unanswered_before = now, self.unanswered
            logger.error(
                "outage began",
                part=self.part,
                consequence=self.consequence,
                error=repr(error),
            )
        self.unanswered += 1

    def note_answer(self) -> None:
        """End an outage, if there is one."""
        if self._began is None:
            return
        logger.warning(
            "outage ended",
            part=self.part,
            seconds=round(time.monotonic() - self._began, 1),
            unanswered=self.unanswered - self._unanswered_before,
        )
        self._began, self._rest_until = None, 0.0


REDIS: Final = Outage(
    "redis",
    "revoked tokens are accepted but administrative scopes refused; no rate is limited; "
    "server-side sessions cannot be used",
)
"""This process's view of Redis: one, so that an outage is logged once whatever it concerns."""
