"""Scopes, the login's parameters, and the provider's keys."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.core.errors import UnavailableError
from app.identity.jwks import MAX_STALE_SECONDS, RETRY_SECONDS, KeyCache
from app.identity.provider import ProviderError
from app.identity.schemas import LoginQuery
from app.identity.scopes import (
    ADMINISTRATIVE,
    INCLUDED,
    PERMITTED,
    Role,
    Scope,
    effective_scopes,
    parse_scopes,
    with_included,
)
from tests.identity_provider import SigningKey

scopes = st.frozensets(st.sampled_from(Scope))
roles = st.sampled_from([None, *Role])


def test_the_claim_is_read_by_words_and_unknown_scopes_are_left_out() -> None:
    assert parse_scopes("openid  statements/read admin/x administrator") == {Scope.STATEMENTS_READ}
    assert parse_scopes("") == frozenset()


def test_reading_includes_reading_what_is_mine_and_nothing_else() -> None:
    assert with_included({Scope.STATEMENTS_READ}) == {
        Scope.STATEMENTS_READ,
        Scope.STATEMENTS_READ_MINE,
    }
    assert with_included({Scope.STATEMENTS_READ_MINE}) == {Scope.STATEMENTS_READ_MINE}


def test_a_tenants_administrator_may_do_all_work_and_does_not_manage_the_platform() -> None:
    assert with_included({Scope.TENANT_ADMIN}) == set(Scope) - {Scope.ADMIN}


def test_a_platforms_administrator_reads_no_tenants_data() -> None:
    assert with_included({Scope.ADMIN}) == {Scope.ADMIN}


def test_a_member_has_no_use_of_an_administrators_token() -> None:
    granted = frozenset(Scope) - {Scope.ADMIN}
    assert effective_scopes(granted, Role.ADMIN) == granted
    assert effective_scopes(granted, Role.MEMBER) == granted - {Scope.TENANT_ADMIN}


def test_without_a_tenant_only_the_platform_can_be_managed() -> None:
    assert effective_scopes(frozenset(Scope), None) == {Scope.ADMIN}


@given(scopes, roles)
def test_nothing_is_gained_beyond_token_and_role(granted: frozenset[Scope], role: Role) -> None:
    effective = effective_scopes(granted, role)
    assert effective <= with_included(granted)
    assert effective <= (PERMITTED.get(role, frozenset()) | {Scope.ADMIN})
    assert (Scope.ADMIN in effective) == (Scope.ADMIN in granted)


@given(scopes)
def test_including_is_complete_after_one_step(granted: frozenset[Scope]) -> None:
    assert with_included(with_included(granted)) == with_included(granted)


def test_no_scope_brings_an_administrative_one() -> None:
    assert all(included.isdisjoint(ADMINISTRATIVE) for included in INCLUDED.values())


@pytest.mark.parametrize("path", ["/", "/items", "/items?page=2#top", "/a//b", "/a?next=https://x"])
def test_paths_of_the_page_are_accepted(path: str) -> None:
    assert LoginQuery(return_to=path).return_to == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "items",
        "https://elsewhere.test/",
        "//elsewhere.test",
        "///elsewhere.test",
        "/\\elsewhere.test",
        "\\\\elsewhere.test",
        "/\t/elsewhere.test",
        "/\n/elsewhere.test",
        "javascript:alert(1)",
        "/\r\nSet-Cookie: a=b",
        " //elsewhere.test",
        "//[",
        "/\N{RIGHT-TO-LEFT OVERRIDE}",
        "/items\n",
    ],
)
def test_what_may_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        LoginQuery(return_to=path)


@given(st.text(st.sampled_from("/\\:@?#.ax\t\n "), max_size=12) | st.text(max_size=20))
@example("/[")
def test_whatever_is_accepted_stays_on_the_page(path: str) -> None:
    try:
        accepted = LoginQuery(return_to=path).return_to
    except ValidationError:
        return
    page = "https://app.example.test"
    assert urlsplit(page + accepted).netloc == "app.example.test"
    assert "\n" not in accepted
    # What browsers do before they parse: they take a backslash for a slash.
    assert not accepted.replace("\\", "/").startswith("//")


Keys = tuple[SigningKey, SigningKey]


class Source:
    """A provider's key set and a clock, in the hands of the test."""

    def __init__(self, *keys: SigningKey) -> None:
        self.documents: list[Any] = [key.public for key in keys]
        self.fetches = 0
        self.away = False
        self.slow: asyncio.Event | None = None
        self.now = 1000.0
        self.cache = KeyCache(self.fetch, max_age=300, refresh_interval=30, clock=lambda: self.now)

    async def fetch(self) -> list[Any]:
        self.fetches += 1
        if self.slow is not None:
            await self.slow.wait()
        await asyncio.sleep(0)
        if self.away:
            raise ProviderError("away")
        return self.documents


@pytest.fixture(scope="module")
def keys() -> Keys:
    return SigningKey("ES256"), SigningKey("ES256")


async def test_keys_are_fetched_once_for_many_requests_at_once(keys: Keys) -> None:
    source = Source(keys[0])
    found = await asyncio.gather(*(source.cache.get(keys[0].id) for _ in range(50)))
    assert all(key is found[0] for key in found)
    assert source.fetches == 1


async def test_a_rotation_is_noticed_without_a_restart(keys: Keys) -> None:
    source = Source(keys[0])
    await source.cache.get(keys[0].id)
    source.documents = [keys[1].public]
    source.now += 31
    assert await source.cache.get(keys[1].id) is not None
    assert await source.cache.get(keys[0].id) is None


async def test_a_rotation_just_after_a_refresh_is_noticed_at_once(keys: Keys) -> None:
    source = Source(keys[0])
    await source.cache.get(keys[0].id)
    source.documents = [key.public for key in keys]
    assert await source.cache.get(keys[1].id) is not None
    assert await source.cache.get("made-up") is None
    assert source.fetches == 2


async def test_made_up_key_ids_cause_one_refresh_per_interval(keys: Keys) -> None:
    source = Source(keys[0])
    await source.cache.get(keys[0].id)
    for _ in range(3):
        source.now += 31
        found = await asyncio.gather(*(source.cache.get(f"made-up-{n}") for n in range(100)))
        assert set(found) == {None}
        assert await source.cache.get("another") is None
    assert source.fetches == 1 + 3


async def test_while_the_provider_is_away_known_keys_serve_on_to_a_limit(keys: Keys) -> None:
    source = Source(keys[0])
    await source.cache.get(keys[0].id)
    source.away = True
    source.now += 301
    for _ in range(20):
        assert await source.cache.get(keys[0].id) is not None
        await asyncio.sleep(0.001)
    assert source.fetches == 2
    source.now += MAX_STALE_SECONDS
    with pytest.raises(UnavailableError):
        await source.cache.get(keys[0].id)


async def test_while_the_provider_is_away_an_unknown_key_is_not_called_wrong(keys: Keys) -> None:
    source = Source(keys[0])
    await source.cache.get(keys[0].id)
    source.away = True
    source.now += 31
    with pytest.raises(UnavailableError):
        await source.cache.get(keys[1].id)


async def test_a_slow_provider_slows_nobody_whose_key_is_known(keys: Keys) -> None:
    source = Source(keys[0])
    await source.cache.get(keys[0].id)
    source.slow = asyncio.Event()
    source.now += 301
    async with asyncio.timeout(60):
        assert await source.cache.get(keys[0].id) is not None
    source.slow.set()
    await asyncio.sleep(0.01)
    assert source.fetches == 2


async def test_after_a_long_pause_a_withdrawn_key_is_not_used_once_more(keys: Keys) -> None:
    source = Source(keys[0])
    await source.cache.get(keys[0].id)
    source.documents = [keys[1].public]
    source.now += 3600
    assert await source.cache.get(keys[0].id) is None


async def test_a_provider_that_starts_later_is_found_soon(keys: Keys) -> None:
    source = Source(keys[0])
    source.away = True
    for _ in range(5):
        with pytest.raises(UnavailableError):
            await source.cache.get(keys[0].id)
    assert source.fetches == 1
    source.away = False
    source.now += RETRY_SECONDS
    assert await source.cache.get(keys[0].id) is not None


async def test_a_request_that_is_cancelled_does_not_cancel_the_refresh(keys: Keys) -> None:
    source = Source(keys[0])
    source.slow = asyncio.Event()
    first = asyncio.create_task(source.cache.get(keys[0].id))
    second = asyncio.create_task(source.cache.get(keys[0].id))
    await asyncio.sleep(0.001)
    first.cancel()
    source.slow.set()
    assert await second is not None
    assert source.fetches == 1


@pytest.mark.parametrize(
    "document",
    [
        {"kty": "oct", "kid": "k", "k": "c2VjcmV0", "alg": "HS256"},
        {"kty": "RSA", "kid": "k", "use": "enc", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "kid": "k", "n": "!", "e": "AQAB"},
        {"kty": "EC", "kid": "k", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "RSA", "kid": 5, "n": "AQAB", "e": "AQAB"},
        "no key at all",
    ],
)
async def test_what_is_no_signature_key_is_left_out(document: object, keys: Keys) -> None:
    source = Source(keys[0])
    source.documents = [document, *source.documents]
    assert await source.cache.get("k") is None
    assert await source.cache.get(keys[0].id) is not None


async def test_a_key_set_without_usable_keys_does_not_replace_a_good_one(keys: Keys) -> None:
    source = Source(keys[0])
    await source.cache.get(keys[0].id)
    source.documents = []
    source.now += 301
    await source.cache.get(keys[0].id)
    await asyncio.sleep(0.01)
    assert await source.cache.get(keys[0].id) is not None
