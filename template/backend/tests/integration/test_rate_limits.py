import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from app.core.rate_limits import RateLimitSettings
from app.core.settings import SettingsError, load_settings
from app.tenancy.models import Tenant
from tests.conftest import MakeApp, TokenFor
from tests.servers import until

LIMITS = {
    "rate_limit_enabled": "true",
    # An hour, which no test takes, and no busy machine.
    "rate_limit_user": "5/hour",
    "rate_limit_address": "12/hour",
    "rate_limit_auth_failures": "3/hour",
}


@pytest.fixture
async def limited(make_app: MakeApp) -> AsyncIterator[FastAPI]:
    async with make_app(**LIMITS) as app:
        yield app


class Caller:
    """Somebody at an address, which no other test uses."""

    def __init__(self, app: FastAPI, address: str | None = None) -> None:
        number = uuid4().int
        self.address = address or f"198.51.{number % 256}.{number // 256 % 256}"
        transport = httpx2.ASGITransport(app, client=(self.address, 40_000))
        base = f"http://localhost{app.state.settings.api_prefix}"
        self._client = httpx2.AsyncClient(transport=transport, base_url=base)

    async def get(self, path: str, token: str | None = None) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self._client.get(path, headers=headers)

    async def statuses(self, path: str, times: int, token: str | None = None) -> list[int]:
        return [(await self.get(path, token)).status_code for _ in range(times)]


async def test_a_user_is_limited_wherever_they_are(
    limited: FastAPI, token_for: TokenFor, tenant: Tenant
) -> None:
    alice, bob = token_for(tenant, "alice"), token_for(tenant, "bob")
    home, office = Caller(limited), Caller(limited)
    assert await home.statuses("/auth/me", 3, alice) == [200] * 3
    assert await office.statuses("/auth/me", 4, alice) == [200, 200, 429, 429]
    assert await office.statuses("/auth/me", 1, bob) == [200]


async def test_the_same_subject_in_another_tenant_is_somebody_else(
    limited: FastAPI, token_for: TokenFor, tenant: Tenant
) -> None:
    caller = Caller(limited)
    assert await caller.statuses("/auth/me", 6, token_for(tenant, "alice")) == [200] * 5 + [429]
    elsewhere = token_for(None, "alice", scopes=["admin"])
    assert await caller.statuses("/auth/me", 1, elsewhere) == [200]


async def test_an_address_is_limited_with_and_without_tokens(
    limited: FastAPI, token_for: TokenFor, tenant: Tenant
) -> None:
    caller = Caller(limited)
    assert await caller.statuses("/auth/config", 6) == [200] * 6
    assert await caller.statuses("/auth/me", 5) == [401] * 5
    assert await caller.statuses("/auth/me", 2, token_for(tenant)) == [200, 429]
    assert await caller.statuses("/auth/config", 1) == [429]
    assert await caller.statuses("/health", 3) == [200] * 3
    assert await Caller(limited).statuses("/auth/config", 1) == [200]


async def test_bad_tokens_are_limited_more_strictly_and_good_ones_pass(
    limited: FastAPI, token_for: TokenFor, tenant: Tenant
) -> None:
    caller = Caller(limited)
    assert await caller.statuses("/auth/me", 5, "bad") == [401] * 3 + [429] * 2
    # Somebody who shares the address is not locked out.
    assert await caller.statuses("/auth/me", 1, token_for(tenant)) == [200]


async def test_failed_logins_are_limited_more_strictly(limited: FastAPI) -> None:
    statuses = await Caller(limited).statuses("/oauth/callback?state=x&code=y", 5)
    assert statuses == [400] * 3 + [429] * 2


async def test_a_network_of_64_bits_counts_as_one_address(limited: FastAPI) -> None:
    network = f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}"
    for host in range(12):
        assert await Caller(limited, f"{network}::{host:x}").statuses("/auth/config", 1) == [200]
    assert await Caller(limited, f"{network}:ffff::1").statuses("/auth/config", 1) == [429]


async def test_a_refusal_says_when_to_come_back(limited: FastAPI) -> None:
    caller = Caller(limited)
    await caller.statuses("/auth/config", 12)
    answer = await caller.get("/auth/config")
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/rate-limited"
    seconds = int(answer.headers["retry-after"])
    assert 1 <= seconds <= 3600
    assert answer.headers["ratelimit-policy"] == '"address";q=12;w=3600'
    assert answer.headers["ratelimit"] == f'"address";r=0;t={seconds}'


async def test_the_limit_ends_with_its_window(make_app: MakeApp) -> None:
    async with make_app(rate_limit_enabled="true", rate_limit_address="2/second") as app:
        caller = Caller(app)

        async def is_answered(status: int) -> bool:
            return (await caller.get("/auth/config")).status_code == status

        await until(lambda: is_answered(429))
        await until(lambda: is_answered(200))


async def test_requests_at_once_are_all_counted(limited: FastAPI) -> None:
    caller = Caller(limited)
    answers = await asyncio.gather(*(caller.get("/auth/config") for _ in range(30)))
    assert [answer.status_code for answer in answers].count(200) == 12


async def test_a_redis_that_has_forgotten_the_script_counts_on(limited: FastAPI) -> None:
    caller = Caller(limited)
    await caller.statuses("/auth/config", 1)
    await limited.state.redis.script_flush()
    assert await caller.statuses("/auth/config", 12) == [200] * 11 + [429]


async def test_limits_can_be_switched_off(make_app: MakeApp) -> None:
    async with make_app(**LIMITS | {"rate_limit_enabled": "false"}) as app:
        assert await Caller(app).statuses("/auth/config", 20) == [200] * 20


def test_a_limit_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE_LIMIT_USER", "many")
    with pytest.raises(SettingsError) as caught:
        load_settings(RateLimitSettings)
    assert str(caught.value) == "RATE_LIMIT_USER: 'many' is not a limit; write one like 300/minute"
