"""The identity provider's public keys, at hand for every request.

Keys are fetched when the first token comes, again every few minutes, and when a token names an
unknown key: that is how a rotation is noticed without a restart. Three rules keep the provider and
the application safe from each other:

- a refresh runs once however many requests ask for it, and never sooner than an interval after the
  last one, so that tokens with made-up key ids cause no traffic. Looks for an unknown key have an
  interval of their own: a rotation just after an ordinary refresh is noticed at once, too;
- while the provider does not answer, the keys at hand are used on, up to a limit;
- a refresh whose outcome a request does not need runs beside it, so that a slow provider slows
  nobody.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import jwt
import structlog

from app.core.errors import UnavailableError
from app.identity.provider import ProviderError

logger = structlog.get_logger(__name__)

MAX_KEYS: Final = 32
RETRY_SECONDS: Final = 2.0
"""Between two attempts while no key is at hand: the provider may start after the application."""

MAX_STALE_SECONDS: Final = 24 * 3600
"""How long keys are used after the provider last confirmed them. A key that leaked is withdrawn at
the provider; nobody who keeps the application from hearing of it may profit for longer than
this."""

ACCEPTED_KEY_TYPES: Final = frozenset({"RSA", "EC", "OKP"})


class KeyCache:
    """The keys of one provider.

    Args:
        fetch: returns the provider's key set, or raises `ProviderError`.
        max_age: seconds for which keys count as fresh.
        refresh_interval: seconds between two refreshes at least.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[list[Any]]],
        *,
        max_age: float,
        refresh_interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._max_age = max_age
        self._refresh_interval = refresh_interval
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._attempted_at = float("-inf")
        self._searched_at = float("-inf")
        self._failed = False
        self._refresh: asyncio.Task[None] | None = None

    async def get(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key, or None when the provider has no such key.

        Raises:
            UnavailableError: the provider does not answer, and no key that may be used is at hand.
        """
        key, age = self._keys.get(key_id), self._clock() - self._fetched_at
        if key is not None and age < self._max_age:
            return key
        refresh = self._start_refresh(search=key is None)
        # Shortly after it has become stale, or while the provider is away, a key serves at once.
        # One that has not been confirmed for long, because no request came, is confirmed first.
        if key is not None and age < (MAX_STALE_SECONDS if self._failed else 2 * self._max_age):
            return key
        if refresh is not None:
            await asyncio.shield(refresh)
        key, age = self._keys.get(key_id), self._clock() - self._fetched_at
        if key is not None and age < MAX_STALE_SECONDS:
            return key
        if self._failed:
            raise UnavailableError(
                "The identity provider does not answer, so that the token cannot be checked. "
                "Try again shortly.",
                headers={"Retry-After": str(max(1, round(self._refresh_interval)))},
            )
        return None

    async def close(self) -> None:
        """End a refresh that is under way."""
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.gather(self._refresh, return_exceptions=True)

    def _start_refresh(self, *, search: bool) -> asyncio.Task[None] | None:
        """Return the refresh that is under way or is due, if there is one.

        Args:
            search: it is for a key that is not among those at hand.
        """
        if self._refresh is not None:
            return self._refresh
        search = search and bool(self._keys)
        interval = self._refresh_interval if self._keys else RETRY_SECONDS
        last = self._searched_at if search else self._attempted_at
        if self._clock() - last < min(interval, self._refresh_interval):
            return None
        self._attempted_at = self._clock()
        if search:
            self._searched_at = self._attempted_at
        self._refresh = asyncio.create_task(self._run_refresh(), name="refresh signing keys")
        return self._refresh

    async def _run_refresh(self) -> None:
        try:
            keys = _usable_keys(await self._fetch())
        except ProviderError as error:
            if not self._failed:
                logger.warning(
                    "outage began",
                    part="identity provider",
                    keys_at_hand=len(self._keys),
                    error=str(error),
                )
            self._failed = True
        else:
            if self._failed:
                logger.warning("outage ended", part="identity provider")
            self._keys, self._fetched_at, self._failed = keys, self._clock(), False
        finally:
            self._refresh = None


def _usable_keys(documents: list[Any]) -> dict[str, jwt.PyJWK]:
    """Parse a key set, once for all requests, and leave out what is not for signatures.

    A key is bound to one algorithm: its own `alg`, or the usual one for its type. A token that
    names another is refused, so that nobody can make an RSA key serve as an HMAC secret.

    Raises:
        ProviderError: no usable key is left.
    """
    keys: dict[str, jwt.PyJWK] = {}
    for document in documents[:MAX_KEYS]:
        if not isinstance(document, dict) or document.get("kty") not in ACCEPTED_KEY_TYPES:
            continue
        if document.get("use", "sig") != "sig" or not isinstance(document.get("kid"), str):
            continue
        try:
            keys[document["kid"]] = jwt.PyJWK(document)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
    if not keys:
        raise ProviderError("The provider's key set has no key that can be used for signatures.")
    return keys
