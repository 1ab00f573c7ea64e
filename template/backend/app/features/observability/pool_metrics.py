"""The pool of database connections: when requests wait for one, here is where it shows first."""

import asyncio
import time
from contextlib import suppress
from typing import Final, cast

from sqlalchemy import Engine, PoolProxiedConnection, event
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from app.features.observability.registry import Counter, Gauge, Histogram

CAPACITY: Final = Gauge(
    "db_pool_capacity",
    "Connections that all workers together may open.",
    multiprocess_mode="livesum",
)
SIZE: Final = Gauge(
    "db_pool_size", "Connections that the pools keep open.", multiprocess_mode="livesum"
)
CHECKED_OUT: Final = Gauge(
    "db_pool_checked_out", "Connections in use.", multiprocess_mode="livesum"
)
OVERFLOW: Final = Gauge(
    "db_pool_overflow", "Open connections beyond the pools' size.", multiprocess_mode="livesum"
)
WAITING: Final = Gauge(
    "db_pool_waiting", "Tasks that wait for a connection.", multiprocess_mode="livesum"
)
WAIT: Final = Histogram(
    "db_pool_wait_seconds",
    "Time until a connection was there, opening it included.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10),
)
TIMEOUTS: Final = Counter(
    "db_pool_timeouts_total", "Tasks that got no connection within DB_POOL_TIMEOUT."
)

SETTLING: Final = 0.1
"""Seconds after which a returned connection is surely back in the pool."""


def watch_pool(engine: Engine, max_overflow: int) -> None:
    """Measure an engine's pool, and the one that takes its place when the engine is disposed of."""
    watch(engine, max_overflow)
    event.listen(engine, "engine_disposed", lambda disposed: watch(disposed, max_overflow))


def watch(engine: Engine, max_overflow: int) -> None:
    """Measure the pool that an engine has now.

    SQLAlchemy tells of connections that go and come, but not of those who wait: so asking is timed.
    """
    pool = cast("QueuePool", engine.pool)
    connect = pool.connect
    SIZE.set(pool.size())
    CAPACITY.set(pool.size() + max_overflow)

    pending: list[asyncio.TimerHandle] = []

    def sample() -> None:
        CHECKED_OUT.set(pool.checkedout())
        OVERFLOW.set(max(0, pool.overflow()))

    def timed_connect() -> PoolProxiedConnection:
        started = time.perf_counter()
        WAITING.inc()
        try:
            return connect()
        except PoolTimeoutError:
            TIMEOUTS.inc()
            raise
        finally:
            WAITING.dec()
            WAIT.observe(time.perf_counter() - started)
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
