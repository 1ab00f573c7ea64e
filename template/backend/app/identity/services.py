"""What identity keeps for the life of the application."""

from typing import Annotated

from fastapi import Depends
from redis.asyncio import Redis
from starlette.requests import HTTPConnection

from app.core.cache import get_redis
from app.identity.jwks import KeyCache
from app.identity.login import Login
from app.identity.oauth_client import OAuthClient
from app.identity.provider import Provider
from app.identity.sessions import Sessions
from app.identity.settings import IdentitySettings, get_identity_settings
from app.identity.tokens import AccessToken, TokenVerifier


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
    identity: Identity = state.identity
    return identity


async def _get_identity(connection: HTTPConnection) -> Identity:
    """As `get_identity`; FastAPI would run a function that is not async in another thread."""
    return get_identity(connection)


IdentityDep = Annotated[Identity, Depends(_get_identity)]
