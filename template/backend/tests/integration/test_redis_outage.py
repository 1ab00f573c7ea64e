"""What still holds while Redis does not answer, with a Redis that is really stopped."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from redis.exceptions import ConnectionError as RedisConnectionError

from app.core import redis as redis_module
from app.core.redis import REDIS, Outage
from app.tenancy.models import Tenant
from dev.ports import any_free_port
from dev.redis import Redis
from tests.conftest import Client, MakeApp, TokenFor, client_of
from tests.servers import PATIENCE

Hang = Callable[[], AbstractAsyncContextManager[None]]

REST = 0.2
"""Seconds that Redis is left alone here, so that no test waits for long."""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path / "redis", any_free_port(), durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _own_outage(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The view of Redis is the process's: what other tests see must not depend on these."""
    monkeypatch.setattr(REDIS, "_rest", REST)
    yield
    REDIS._began, REDIS._rest_until = None, 0.0


@pytest.fixture
async def served(make_app: MakeApp, redis: Redis) -> AsyncIterator[FastAPI]:
    async with make_app(redis_url=redis.url, rate_limit_enabled="true") as app:
        yield app


@pytest.fixture
async def admin(served: FastAPI, token_for: TokenFor, tenant: Tenant) -> AsyncIterator[Client]:
    async with client_of(served, token_for(tenant, "alice", roles=["tenant-admin"])) as client:
        yield client


async def statuses(client: Client, *paths: str) -> list[int]:
    return [(await client.get(path)).status_code for path in paths]


async def test_administration_is_refused_and_the_rest_served(admin: Client, redis: Redis) -> None:
    assert await statuses(admin, "/users", "/tenant", "/auth/me") == [200, 200, 200]
    redis.stop()
    answer = await admin.get("/users")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert await statuses(admin, "/tenant", "/auth/me", "/health", "/auth/config") == [200] * 4
    assert "tenant/admin" not in (await admin.get("/auth/me")).json()["scopes"]
    redis.start()
    await asyncio.sleep(REST)
    assert await statuses(admin, "/users", "/tenant") == [200, 200]


async def test_the_platforms_administration_is_refused(
    served: FastAPI, token_for: TokenFor, redis: Redis
) -> None:
    async with client_of(served, token_for(None, "root", scopes=["admin"])) as root:
        assert await statuses(root, "/tenants") == [200]
        redis.stop()
        assert await statuses(root, "/tenants") == [503]


async def test_who_may_not_anyway_is_told_so(
    served: FastAPI, token_for: TokenFor, tenant: Tenant, redis: Redis
) -> None:
    async with client_of(served, token_for(tenant, "bob")) as member:
        redis.stop()
        assert await statuses(member, "/users", "/tenant") == [403, 200]


async def test_the_strict_setting_refuses_everybody(
    make_app: MakeApp, token_for: TokenFor, tenant: Tenant, redis: Redis
) -> None:
    async with (
        make_app(redis_url=redis.url, revocation_strict="true") as app,
        client_of(app, token_for(tenant)) as client,
    ):
        assert await statuses(client, "/tenant", "/auth/me") == [200, 200]
        redis.stop()
        assert await statuses(client, "/tenant", "/auth/me", "/health") == [503, 503, 200]


async def test_an_outage_is_logged_once_and_counted(admin: Client, redis: Redis) -> None:
    await admin.get("/tenant")
    redis.stop()
    before = REDIS.unanswered
    with structlog.testing.capture_logs() as logs:
        assert await statuses(admin, *["/tenant"] * 30) == [200] * 30
        redis.start()
        await asyncio.sleep(REST)
        assert await statuses(admin, "/tenant") == [200]
    events = [line["event"] for line in logs if str(line["event"]).startswith("outage")]
    assert events == ["outage began", "outage ended"]
    assert REDIS.unanswered - before == 30
    assert not REDIS.is_under_way


async def test_a_logout_that_cannot_be_recorded_is_not_confirmed(
    admin: Client, redis: Redis
) -> None:
    await admin.get("/tenant")
    redis.stop()
    assert (await admin.post("/auth/logout")).status_code == 503
    redis.start()
    await asyncio.sleep(REST)
    assert (await admin.post("/auth/logout")).status_code == 204
    assert await statuses(admin, "/tenant") == [401]


@pytest.fixture
def hang(redis: Redis, served: FastAPI) -> Hang:
    """Have Redis hang while a block runs: stopped, it accepts connections and does not answer."""
    process, pool = redis._process, served.state.redis.connection_pool
    assert process is not None

    async def have_patience(seconds: float) -> None:
        pool.connection_kwargs |= {"socket_timeout": seconds, "socket_connect_timeout": seconds}
        await pool.disconnect()
        pool.reset()

    @asynccontextmanager
    async def stopped() -> AsyncIterator[None]:
        await have_patience(0.2)
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)
            await have_patience(PATIENCE)

    return stopped


async def test_a_revocation_outlives_an_outage(admin: Client, hang: Hang) -> None:
    assert (await admin.post("/auth/logout")).status_code == 204
    async with hang():
        assert await statuses(admin, "/users", "/tenant") == [503, 200]
    await asyncio.sleep(REST)
    assert await statuses(admin, "/tenant") == [401]


async def test_a_redis_that_hangs_does_not_slow_every_request(
    admin: Client, hang: Hang, served: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(REDIS, "_rest", 3600)
    pool, asked = served.state.redis.connection_pool, 0
    connect = pool.get_connection

    async def count(*arguments: Any, **options: Any) -> Any:
        nonlocal asked
        asked += 1
        return await connect(*arguments, **options)

    async with hang():
        monkeypatch.setattr(pool, "get_connection", count)
        assert await statuses(admin, *["/tenant"] * 20) == [200] * 20
    assert asked == 1, "each of them has waited"


class Part:
    """Something that may be away."""

    def __init__(self) -> None:
        self.away = False
        self.asked = 0

    async def answer(self) -> int:
        self.asked += 1
        if self.away:
            raise RedisConnectionError("refused")
        return 0


@pytest.fixture
def part() -> Part:
    return Part()


async def test_an_outage_is_logged_once_when_it_begins_and_once_when_it_ends(part: Part) -> None:
    outage = Outage("redis", "nothing is limited", rest=0)
    with structlog.testing.capture_logs() as logs:
        for away in (False, True, True, True, False, False):
            part.away = away
            assert await outage.ask(part.answer) == (None if away else 0)
            assert outage.is_under_way is away
    assert [line["event"] for line in logs] == ["outage began", "outage ended"]
    assert logs[0]["consequence"] == "nothing is limited"
    assert logs[1]["unanswered"] == 3
    assert outage.unanswered == 3


async def test_a_part_that_is_away_is_left_alone_for_a_while(
    part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(redis_module, "time", SimpleNamespace(monotonic=lambda: now))
    outage = Outage("redis", "nothing is limited", rest=1)
    part.away = True
    for _ in range(100):
        assert await outage.ask(part.answer) is None
    assert part.asked == 1
    assert outage.unanswered == 100
    part.away = False
    now += 0.9
    assert await outage.ask(part.answer) is None
    now += 0.2
    assert await outage.ask(part.answer) == 0


async def test_a_mistake_in_the_program_is_no_outage() -> None:
    async def fail() -> int:
        raise KeyError("typo")

    with pytest.raises(KeyError):
        await Outage("redis", "nothing is limited").ask(fail)


async def test_more_questions_at_once_than_connections_are_no_outage(make_app: MakeApp) -> None:
    async with make_app() as app:
        answers = await asyncio.gather(*(app.state.redis.ping() for _ in range(500)))
    assert answers == [True] * 500
