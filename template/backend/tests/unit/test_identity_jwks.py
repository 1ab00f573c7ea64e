import asyncio
from typing import Any

import pytest

from app.core.errors import UnavailableError
from app.identity.jwks import MAX_STALE_SECONDS, RETRY_SECONDS, KeyCache
from app.identity.provider import ProviderError
from tests.identity_provider import SigningKey

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
    async with asyncio.timeout(1):
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
