"""What still holds while Redis does not answer, with a Redis that is really stopped."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import structlog
from fastapi import FastAPI
from redis.exceptions import ConnectionError as RedisConnectionError

from app.core.redis import REDIS, REST_SECONDS, Outage
from app.tenancy.models import Tenant
from dev.ports import any_free_port
from dev.redis import Redis
from tests.conftest import Client, MakeApp, TokenFor, client_of

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
def send(redis: Redis) -> Iterator[Callable[[int], None]]:
    """Make Redis hang, and go on: stopped, it accepts connections and does not answer."""
    process = redis._process
    assert process is not None
    yield process.send_signal
    process.send_signal(signal.SIGCONT)


async def test_a_revocation_outlives_an_outage(admin: Client, send: Callable[[int], None]) -> None:
    assert (await admin.post("/auth/logout")).status_code == 204
    send(signal.SIGSTOP)
    assert await statuses(admin, "/users", "/tenant") == [503, 200]
    send(signal.SIGCONT)
    await asyncio.sleep(REST)
    assert await statuses(admin, "/tenant") == [401]


async def test_a_redis_that_hangs_does_not_slow_every_request(
    admin: Client, send: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(REDIS, "_rest", REST_SECONDS)
    await admin.get("/tenant")
    send(signal.SIGSTOP)
    started = time.perf_counter()
    assert await statuses(admin, *["/tenant"] * 20) == [200] * 20
    # One timeout of half a second, or two if the rest has passed in between; not twenty.
    assert time.perf_counter() - started < 3


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


async def test_a_part_that_is_away_is_left_alone_for_a_while(part: Part) -> None:
    outage = Outage("redis", "nothing is limited", rest=0.1)
    part.away = True
    for _ in range(100):
        assert await outage.ask(part.answer) is None
    assert part.asked == 1
    assert outage.unanswered == 100
    part.away = False
    time.sleep(0.11)  # noqa: ASYNC251 - nothing else runs
    assert await outage.ask(part.answer) == 0


async def test_a_mistake_in_the_program_is_no_outage() -> None:
    async def fail() -> int:
        raise KeyError("typo")

    with pytest.raises(KeyError):
        await Outage("redis", "nothing is limited").ask(fail)


async def test_more_questions_at_once_than_connections_are_no_outage(make_app: MakeApp) -> None:
    # Connecting takes long on a busy machine, and is not what is looked at.
    async with make_app(redis_timeout_seconds=10) as app:
        answers = await asyncio.gather(*(app.state.redis.ping() for _ in range(500)))
    assert answers == [True] * 500
