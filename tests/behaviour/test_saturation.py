"""More clients than connections to the database: everybody is served in turn, nobody is left to wait for ever.

The application is served as in production, by one process, on a real PostgreSQL and Redis; the route takes a token, asks Redis,
and reads under row-level security.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from support.bed import Bed, Server, await_true, memory
from support.load import Result, run_load
from support.ports import free_ports

pytestmark = [pytest.mark.alone, pytest.mark.verify]

SECONDS = 30
RECOVERY_SECONDS = 2.0
FEW = 4
"""Connections that saturate nothing, for the speed before and after."""


@pytest.mark.parametrize("connections", [64, 200])
def test_saturation(ground: Bed, server: Server, connections: int) -> None:
    url, headers = f"{server.address}/api/v1/todos", {"Authorization": f"Bearer {ground.token()}"}
    run_load(url, FEW, 2, headers)
    before, cost_before = measure(server, lambda: run_load(url, FEW, 3, headers))

    result = run_load(url, connections, SECONDS, headers)
    run_load(url, FEW, RECOVERY_SECONDS, headers)
    after, cost_after = measure(server, lambda: run_load(url, FEW, 3, headers))

    print(f"\n{connections} connections, {result}\nmemory {memory(server.process):.0f} MB")
    print(f"before {cost_before * 1000:.2f} ms of CPU each, {before}\nafter {cost_after * 1000:.2f} ms, {after}")
    assert set(result.counts()) <= {"200", "503"}
    assert all(result.per_second()), "a second without a completion"
    assert result.without_retry_after() == 0
    slow = max(5, 2 + 10 * before.latency("200", 1))
    assert result.latency("503", 1) < slow, "not fast: DB_POOL_TIMEOUT is 2 s, the rest is the machine's"
    # Full speed again: nothing is refused, and a request costs what it did. Requests per second would tell as much of what
    # else the machine does.
    assert set(after.counts()) == {"200"}
    assert cost_after < cost_before * 2
    assert server.get("/health/ready")[1] == {"status": "ready", "database": "ok", "pool": "ok", "redis": "ok"}


HOLD = """
DO $$ BEGIN
    LOCK TABLE todos;
    WHILE (pg_stat_file('{}', true)).size IS NULL LOOP PERFORM pg_sleep(0.1); END LOOP;
END $$
"""
"""Locks the table until there is a file."""


@pytest.fixture
def enough() -> Iterator[Path]:
    """A file that is not there yet, where PostgreSQL's own account can see it."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder, "enough")
        Path(folder, "enough").touch()


def measure(server: Server, load: Callable[[], Result]) -> tuple[Result, float]:
    """Return what a load brought back, and the seconds of CPU that an answer cost the server."""
    process = psutil.Process(server.process.pid)
    before = process.cpu_times()
    result = load()
    after = process.cpu_times()
    return result, (after.user + after.system - before.user - before.system) / len(result.answers)


def test_an_exhausted_pool(ground: Bed, enough: Path) -> None:
    """Every connection waits for a lock: requests are refused fast, and readiness ends; one that is back begins it again."""
    # A statement's own end comes later than this test's.
    limits = {"DB_POOL_SIZE": "2", "DB_MAX_OVERFLOW": "0", "DB_POOL_TIMEOUT": "5", "DB_STATEMENT_TIMEOUT_MS": "600000"}
    with ground.serving(free_ports(1)[0], **limits) as server:
        url, headers = f"{server.address}/api/v1/todos", {"Authorization": f"Bearer {ground.token()}"}
        holder = ground.start("sql", HOLD.format(enough))
        await_true(lambda: run_load(url, 1, 1, headers).counts()["200"] == 0, "the lock does not hold")

        result = run_load(url, 16, 8, headers)
        busy = server.get("/health/ready")
        await_true(lambda: server.get("/health/ready")[0] == 503, "readiness does not end")
        exhausted = server.get("/health/ready")
        enough.touch()
        holder.wait()
        back = await_true(lambda: server.get("/health/ready")[0] == 200, "readiness does not begin again")
        again = run_load(url, FEW, 2, headers)

    print(f"\n{result}\nready again after {back:.1f} s; {again}")
    assert set(result.counts()) == {"503"}
    assert result.without_retry_after() == 0
    # The first ones waited for DB_POOL_TIMEOUT; all others were told at once, or as soon as a busy machine can.
    assert result.latency("503", 0.5) < 2.5
    assert (busy[0], busy[1]["pool"]) == (200, "busy")
    assert (exhausted[1]["database"], exhausted[1]["pool"]) == ("ok", "exhausted")
    assert re.fullmatch("[0-9]+", exhausted[2]["retry-after"])
    assert set(again.counts()) == {"200"}
    assert len(server.events("every database connection is in use")) == 1
