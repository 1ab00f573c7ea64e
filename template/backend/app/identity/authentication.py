"""The first thing decided of a request: whose token it carries, and whether that still counts.

Tokens are refused before they expire when their owner has logged out: Redis holds a key for each
revoked token (`jti`) and each ended session (`sid`, which covers every token of a login) for as
long as tokens that it concerns may be valid.
"""

import time
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from redis.asyncio import Redis
from starlette.requests import HTTPConnection

from app.core.context import get_client_address
from app.core.errors import UnauthorizedError, UnavailableError
from app.core.rate_limits import get_rate_limiter
from app.core.redis import REDIS, get_redis
from app.identity.jwks import KeyCache
from app.identity.login import Login
from app.identity.provider import OAuthClient, Provider
from app.identity.sessions import Sessions
from app.identity.settings import IdentitySettings, get_identity_settings
from app.identity.tokens import AccessToken, InvalidTokenError, TokenVerifier

NO_CREDENTIALS: Final = "Log in first: send an access token as `Authorization: Bearer <token>`."


class Identity:
    """Everything that is built once: connections to the provider, its keys, sessions."""

    def __init__(self, redis: Redis, settings: IdentitySettings) -> None:
        self.settings = settings
        self.redis = redis
        self.provider = Provider(settings)
        self.keys = KeyCache(
            self.provider.fetch_keys,
            max_age=settings.jwks_cache_seconds,
            refresh_interval=settings.jwks_refresh_interval_seconds,
        )
        self.verifier = TokenVerifier(
            self.keys, issuer=settings.oidc_issuer, leeway=settings.jwt_leeway_seconds
        )
        self.oauth = OAuthClient(self.provider, settings)
        self.sessions = Sessions(redis, self.oauth, settings)
        self.login = Login(redis, self.oauth, self.verifier, settings)

    async def verify(self, raw: str) -> AccessToken:
        """Check an access token for this API and return what it says.

        Raises:
            InvalidTokenError: it is not accepted.
            UnavailableError: the provider's keys cannot be had at the moment.
        """
        return await self.verifier.verify_access_token(raw, self.settings.oidc_audience)

    async def close(self) -> None:
        """Give connections back."""
        await self.keys.close()
        await self.provider.close()


def get_identity(connection: HTTPConnection) -> Identity:
    """Return the application's identity services, built when they are first asked for."""
    state = connection.app.state
    if not hasattr(state, "identity"):
        state.identity = Identity(get_redis(connection), get_identity_settings())
        state.resources.push_async_callback(state.identity.close)
    identity: Identity = state.identity
    return identity


async def _get_identity(connection: HTTPConnection) -> Identity:
    """As `get_identity`; FastAPI would run a function that is not async in another thread."""
    return get_identity(connection)


IdentityDep = Annotated[Identity, Depends(_get_identity)]


@dataclass(frozen=True, slots=True)
class Authentication:
    """An accepted token.

    `revocation_checked` is false while Redis does not answer: the token may have been revoked.
    `by_cookie` is true for a browser that holds a session and no token.
    """

    token: AccessToken
    revocation_checked: bool
    by_cookie: bool


async def authenticate(request: Request) -> Authentication:
    """Find the token in the header or the session, check it, and count the request.

    Revocation and rate limits are asked of Redis in one round trip.

    Raises:
        UnauthorizedError: there is none, or it is not accepted.
        RateLimitedError: the user or the address sent too many requests, or too many bad tokens.
        UnavailableError: it cannot be checked at the moment.
    """
    identity, limiter = get_identity(request), get_rate_limiter(request)
    address = get_client_address()
    raw = _bearer_token(request)
    by_cookie = raw is None
    if raw is None:
        raw = await identity.sessions.access_token(request)
    if raw is None:
        await limiter.check(address=address)
        raise UnauthorizedError(NO_CREDENTIALS)
    try:
        token = await identity.verify(raw)
    except InvalidTokenError:
        await limiter.count_failed_authentication(address)
        raise
    revocations = await limiter.check(
        address=address,
        user=f"{token.tenant_id}/{token.subject}",
        look_for=revocation_keys(token),
    )
    if revocations:
        await limiter.count_failed_authentication(address)
        raise InvalidTokenError("The token has been revoked.")
    if revocations is None and identity.settings.revocation_strict:
        raise UnavailableError(
            "Whether the token has been revoked cannot be checked. Try again shortly.",
            headers={"Retry-After": "5"},
        )
    return Authentication(token, revocation_checked=revocations is not None, by_cookie=by_cookie)


def _bearer_token(request: Request) -> str | None:
    """Return the token of `Authorization: Bearer` (RFC 6750, section 2.1), if there is one.

    Raises:
        UnauthorizedError: the header is there twice. A proxy may have looked at the other one.
    """
    values = request.headers.getlist("authorization")
    if len(values) > 1:
        raise UnauthorizedError("Send one header Authorization, not several.")
    scheme, _, token = values[0].partition(" ") if values else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else None


class AccessTokenScheme(SecurityBase):
    """`authenticate` as a dependency that the API's description names."""

    scheme_name = "access token"
    model = HTTPBearer(
        bearerFormat="JWT",
        description="Of the identity provider that `/auth/config` names. A browser may have the "
        "cookie of a session in its place: see `/oauth/login`.",
    )

    async def __call__(self, request: Request) -> Authentication:
        """See `authenticate`."""
        return await authenticate(request)


CurrentAuthentication = Annotated[Authentication, Depends(AccessTokenScheme())]


async def revoke(redis: Redis, token: AccessToken, *, leeway: float) -> None:
    """Refuse a token and every other one of its session from now on.

    Args:
        redis: where it is written down.
        token: whose owner logs out.
        leeway: seconds for which a token is accepted after its end.

    Raises:
        UnavailableError: Redis does not answer, so that the token stays valid until it expires.
    """
    # A token that is being issued at this moment has as long a life before it as this one had at
    # first.
    lifetime = token.expires_at - token.issued_at
    seconds = max(1, int(max(lifetime, token.expires_at - time.time()) + leeway) + 1)

    async def write() -> list[Any]:
        async with redis.pipeline(transaction=False) as pipeline:
            for key in revocation_keys(token):
                pipeline.set(key, "1", ex=seconds)
            return await pipeline.execute()

    if await REDIS.ask(write) is None:
        raise UnavailableError(
            "The logout could not be recorded: the access token stays valid until it expires. "
            "Try again shortly.",
            headers={"Retry-After": "5"},
        )


def revocation_keys(token: AccessToken) -> list[str]:
    """Return the keys that Redis has if a token was revoked, by itself or with its session."""
    keys = [f"revoked:jti:{token.token_id}"]
    if token.session_id is not None:
        keys.append(f"revoked:sid:{token.session_id}")
    return keys
