"""Sessions of browsers that hold no token: the browser has a cookie, Redis has the tokens.

The cookie is a random secret; Redis knows its hash only, so that reading Redis gives nobody a
session. A session ends when it has not been used for SESSION_LIFETIME_SECONDS, at the logout, or
when the provider renews its access token no longer.

A cookie goes along with whatever request a browser sends, also one that another site makes it send.
SameSite=Lax keeps it out of other sites' forms and scripts; for browsers and sister domains where
that does not hold, a request that changes something must also come from an origin that is known.
"""

import asyncio
import json
import secrets
import time
from dataclasses import asdict
from hashlib import sha256
from typing import Final

from fastapi import Request, Response
from redis.asyncio import Redis

from app.core.errors import ForbiddenError, UnavailableError
from app.core.redis import REDIS
from app.core.settings import get_settings
from app.identity.provider import GrantRefusedError, OAuthClient, ProviderError, Tokens
from app.identity.settings import IdentitySettings

REFRESH_AHEAD_SECONDS: Final = 60
"""How long before its end an access token is renewed: longer than any request takes."""

REFRESH_LOCK_SECONDS: Final = 10
WAIT_STEP_SECONDS: Final = 0.1

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""They change nothing (RFC 9110, section 9.2.1)."""


class CrossSiteRequestError(ForbiddenError):
    """A request with a session's cookie that may come from another site."""

    code, title = "cross-site-request", "Request from another site"


class SessionsUnavailableError(UnavailableError):
    """Sessions cannot be read or renewed at the moment."""

    def __init__(self, part: str) -> None:
        super().__init__(
            f"The session cannot be used: {part} does not answer. Try again shortly.",
            headers={"Retry-After": "5"},
        )


class Cookie:
    """One cookie: only HTTP sees it, not the page's scripts.

    The prefix `__Host-` makes the browser refuse the cookie from a subdomain or without HTTPS (RFC
    6265bis, section 4.1.3.2), so that nobody can plant a session.
    """

    def __init__(self, name: str, settings: IdentitySettings) -> None:
        self._secure = settings.cookies_are_secure
        self.name = f"__Host-{name}" if self._secure else name

    def read(self, request: Request) -> str | None:
        """Return what the browser sent."""
        return request.cookies.get(self.name) or None

    def write(self, response: Response, value: str, *, max_age: int | None) -> None:
        """Hand the browser a value for some seconds, or until it is closed."""
        response.set_cookie(
            self.name,
            value,
            max_age=max_age,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def delete(self, response: Response) -> None:
        """Make the browser forget the value."""
        response.delete_cookie(
            self.name, path="/", secure=self._secure, httponly=True, samesite="lax"
        )


def refuse_cross_site(request: Request) -> None:
    """Refuse a request that changes something unless its `Origin` is ours.

    Every browser in use sends `Origin` with such requests; one without it is refused too.

    Raises:
        CrossSiteRequestError: the origin is missing, or neither PUBLIC_URL nor among CORS_ORIGINS.
    """
    if request.method in SAFE_METHODS:
        return
    settings = get_settings()
    if request.headers.get("origin") not in {settings.public_url, *settings.cors_origins}:
        raise CrossSiteRequestError(
            "A request with a session cookie that changes something must have the header Origin, "
            "with the address of this application."
        )


class Sessions:
    """The sessions of all browsers, in Redis."""

    def __init__(self, redis: Redis, client: OAuthClient, settings: IdentitySettings) -> None:
        self._redis = redis
        self._client = client
        self._lifetime = settings.session_lifetime_seconds
        self._cookie = Cookie("session", settings)

    async def begin(self, response: Response, tokens: Tokens) -> None:
        """Begin a session with a secret of its own, whatever cookie the browser had before.

        Raises:
            SessionsUnavailableError: Redis does not answer.
        """
        secret = secrets.token_urlsafe(32)
        await self._store(_key(secret), tokens)
        # Without an age the browser forgets the cookie when it is closed.
        self._cookie.write(response, secret, max_age=None)

    async def access_token(self, request: Request) -> str | None:
        """Return the access token of a request's session, renewed if it is about to end.

        Raises:
            CrossSiteRequestError: the request may have been forged by another site.
            SessionsUnavailableError: Redis or the provider does not answer.
        """
        secret = self._cookie.read(request)
        if secret is None:
            return None
        refuse_cross_site(request)
        key = _key(secret)
        tokens = await self._load(key)
        if tokens is not None and tokens.refresh_token and _ends_soon(tokens):
            tokens = await self._renew(key, tokens)
        return tokens.access_token if tokens is not None else None

    async def end(self, request: Request, response: Response) -> Tokens | None:
        """End a request's session and return the tokens that it had, if there is one.

        Raises:
            CrossSiteRequestError: the request may have been forged by another site.
            SessionsUnavailableError: Redis does not answer, and the session goes on.
        """
        secret = self._cookie.read(request)
        if secret is None:
            return None
        refuse_cross_site(request)
        key = _key(secret)
        tokens = await self._load(key)
        await self._delete(key)
        self._cookie.delete(response)
        return tokens

    async def _load(self, key: str) -> Tokens | None:
        """Return a session's tokens and begin its lifetime anew."""

        async def read() -> str:
            return str(await self._redis.getex(key, ex=self._lifetime) or "")

        text = await REDIS.ask(read)
        if text is None:
            raise SessionsUnavailableError("Redis")
        return Tokens(**json.loads(text)) if text else None

    async def _store(self, key: str, tokens: Tokens) -> None:
        text = json.dumps(asdict(tokens))
        if not await REDIS.ask(lambda: self._redis.set(key, text, ex=self._lifetime)):
            raise SessionsUnavailableError("Redis")

    async def _delete(self, key: str) -> None:
        if await REDIS.ask(lambda: self._redis.delete(key)) is None:
            raise SessionsUnavailableError("Redis")

    async def _renew(self, key: str, tokens: Tokens) -> Tokens | None:
        """Renew a session's tokens, once: using a refresh token twice may end the whole session."""
        lock = f"{key}:renewal"

        async def take() -> bool:
            return bool(await self._redis.set(lock, "1", nx=True, ex=REFRESH_LOCK_SECONDS))

        taken = await REDIS.ask(take)
        if taken is None:
            raise SessionsUnavailableError("Redis")
        if not taken:
            return await self._await_renewal(key, tokens)
        try:
            # Another request may have renewed them between our reading and the lock.
            current = await self._load(key)
            if current is None or not _ends_soon(current):
                return current
            renewed = await self._client.refresh(current)
            await self._store(key, renewed)
        except GrantRefusedError:
            await self._delete(key)
            return None
        except ProviderError:
            if _has_ended(tokens):
                raise SessionsUnavailableError("the identity provider") from None
            return tokens
        finally:
            await REDIS.ask(lambda: self._redis.delete(lock))
        return renewed

    async def _await_renewal(self, key: str, tokens: Tokens) -> Tokens | None:
        """Use the tokens at hand while another request renews them, or wait if they have ended."""
        deadline = time.monotonic() + REFRESH_LOCK_SECONDS
        current: Tokens | None = tokens
        while current is not None and _has_ended(current):
            if time.monotonic() > deadline:
                raise SessionsUnavailableError("the identity provider")
            await asyncio.sleep(WAIT_STEP_SECONDS)
            current = await self._load(key)
        return current


def _key(secret: str) -> str:
    return f"session:{sha256(secret.encode()).hexdigest()}"


def _ends_soon(tokens: Tokens) -> bool:
    return tokens.expires_at - time.time() < REFRESH_AHEAD_SECONDS


def _has_ended(tokens: Tokens) -> bool:
    return tokens.expires_at <= time.time()
