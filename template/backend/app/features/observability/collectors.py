"""What the application depends on: the pool of database connections, and Redis.

When requests wait for a connection, the pool is where it shows first. Redis is what the application
does without when it has to; what follows from that is counted.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine, PoolProxiedConnection, event
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from app.core.redis import REDIS
from app.features.observability.registry import Counter, Gauge, Histogram

POOL_CAPACITY: Final = Gauge(
    "db_pool_capacity",
    "Connections that all workers together may open.",
    multiprocess_mode="livesum",
)
POOL_SIZE: Final = Gauge(
    "db_pool_size", "Connections that the pools keep open.", multiprocess_mode="livesum"
)
POOL_CHECKED_OUT: Final = Gauge(
    "db_pool_checked_out", "Connections in use.", multiprocess_mode="livesum"
)
POOL_OVERFLOW: Final = Gauge(
    "db_pool_overflow", "Open connections beyond the pools' size.", multiprocess_mode="livesum"
)
POOL_WAITING: Final = Gauge(
    "db_pool_waiting", "Tasks that wait for a connection.", multiprocess_mode="livesum"
)
POOL_WAIT: Final = Histogram(
    "db_pool_wait_seconds",
    "Time until a connection was there, opening it included.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10),
)
POOL_TIMEOUTS: Final = Counter(
    "db_pool_timeouts_total", "Tasks that got no connection within DB_POOL_TIMEOUT."
)

REDIS_UNANSWERED: Final = Counter(
    "app_redis_unanswered_total",
    "Questions to Redis without an answer: no check of revocation or rate was made.",
)
REDIS_OUTAGE: Final = Gauge(
    "app_redis_outage",
    "Workers whose last question to Redis had no answer.",
    multiprocess_mode="livesum",
)
REDIS_UP: Final = Gauge(
    "app_redis_up",
    "Whether Redis answered the application at this scrape.",
    multiprocess_mode="mostrecent",
)

SETTLING: Final = 0.1
"""Seconds after which a returned connection is surely back in the pool."""

_published = (0, False)


def watch_pool(engine: Engine, max_overflow: int) -> None:
    """Measure an engine's pool, and the one that takes its place when the engine is disposed of."""
    measure(engine, max_overflow)
    event.listen(engine, "engine_disposed", lambda disposed: measure(disposed, max_overflow))


def measure(engine: Engine, max_overflow: int) -> None:
    """Measure the pool that an engine has now.

    SQLAlchemy tells of connections that go and come, but not of those who wait: so asking is timed.
    """
    pool = cast("QueuePool", engine.pool)
    connect = pool.connect
    POOL_SIZE.set(pool.size())
    POOL_CAPACITY.set(pool.size() + max_overflow)

    pending: list[asyncio.TimerHandle] = []

    def sample() -> None:
        POOL_CHECKED_OUT.set(pool.checkedout())
        POOL_OVERFLOW.set(max(0, pool.overflow()))

    def timed_connect() -> PoolProxiedConnection:
        started = time.perf_counter()
        POOL_WAITING.inc()
        try:
            return connect()
        except PoolTimeoutError:
            POOL_TIMEOUTS.inc()
            raise
        finally:
            POOL_WAITING.dec()
            POOL_WAIT.observe(time.perf_counter() - started)
            sample()

    def settled() -> None:
        pending.clear()
        sample()

    def sample_soon(*_: object) -> None:
        # The event comes before the connection is back in the pool, or closed.
        with suppress(RuntimeError):  # no event loop: a script's engine, which nobody scrapes
            if not pending:
                pending.append(asyncio.get_running_loop().call_later(SETTLING, settled))

    pool.connect = timed_connect  # type: ignore[method-assign]  # there is no event for those who wait
    event.listen(pool, "checkin", sample_soon)
    sample()


def publish_redis() -> None:
    """Bring the core's plain counts of this process into its metrics."""
    global _published  # noqa: PLW0603
    unanswered, is_under_way = now = REDIS.unanswered, REDIS.is_under_way
    if now == _published:
        return
    REDIS_UNANSWERED.inc(unanswered - _published[0])
    REDIS_OUTAGE.set(is_under_way)
    _published = now


async def ask_redis(redis: Redis) -> None:
    """Ask Redis itself; its client gives up after REDIS_TIMEOUT_SECONDS."""
    try:
        await redis.ping()
    except (RedisError, OSError, TimeoutError):
        REDIS_UP.set(0)
    else:
        REDIS_UP.set(1)
