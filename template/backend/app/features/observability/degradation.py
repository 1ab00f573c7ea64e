"""What the application does without: Redis that does not answer, and what follows from it."""

from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.core.outages import REDIS
from app.features.observability.registry import Counter, Gauge

UNANSWERED: Final = Counter(
    "app_redis_unanswered_total",
    "Questions to Redis without an answer: no check of revocation or rate was made.",
)
OUTAGE: Final = Gauge(
    "app_redis_outage",
    "Workers whose last question to Redis had no answer.",
    multiprocess_mode="livesum",
)
UP: Final = Gauge(
    "app_redis_up",
    "Whether Redis answered the application at this scrape.",
    multiprocess_mode="mostrecent",
)

_published = 0


def publish() -> None:
    """Bring the core's plain counts of this process into its metrics."""
    global _published  # noqa: PLW0603
    if (unanswered := REDIS.unanswered) != _published:
        UNANSWERED.inc(unanswered - _published)
        _published = unanswered
    OUTAGE.set(REDIS.is_under_way)


async def ask_redis(redis: Redis) -> None:
    """Ask Redis itself; its client gives up after REDIS_TIMEOUT_SECONDS."""
    try:
        await redis.ping()
    except (RedisError, OSError, TimeoutError):
        UP.set(0)
    else:
        UP.set(1)
