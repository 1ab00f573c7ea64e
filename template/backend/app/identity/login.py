"""The login of a browser through the server: authorization code with PKCE, state and nonce.

Between leaving for the provider and coming back, a login is in Redis under its `state`, and bound
to the browser by a cookie: a code that an attacker obtained for their own account cannot be slipped
to somebody else.
"""

import json
import secrets
from dataclasses import asdict, dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final

import structlog
from fastapi import Request, Response
from redis.asyncio import Redis

from app.core.errors import BadRequestError
from app.core.redis import REDIS
from app.identity.provider import GrantRefusedError, OAuthClient, Tokens
from app.identity.sessions import Cookie, SessionsUnavailableError
from app.identity.settings import IdentitySettings
from app.identity.tokens import AccessToken, InvalidTokenError, TokenVerifier

logger = structlog.get_logger(__name__)

LOGIN_SECONDS: Final = 600
"""How long a person may take to log in at the provider."""


class LoginFailedError(BadRequestError):
    """The browser came back with something that does not belong to a login that it began."""

    code, title = "login-failed", "Login failed"


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """A login that is under way. `browser` is the hash of the cookie."""

    nonce: str
    verifier: str
    browser: str
    return_to: str
    tenant: str | None


class Login:
    """Begins and completes logins."""

    def __init__(
        self, redis: Redis, client: OAuthClient, verifier: TokenVerifier, settings: IdentitySettings
    ) -> None:
        self._redis = redis
        self._client = client
        self._verifier = verifier
        self._settings = settings
        self._cookie = Cookie("login", settings)

    async def begin(
        self,
        request: Request,
        response: Response,
        *,
        return_to: str,
        tenant: str | None,
        provider_alias: str | None,
    ) -> str:
        """Return where the browser has to go.

        Args:
            request: of the browser; the cookie of a login in another tab is kept.
            response: takes the cookie.
            return_to: the path to come back to; `RETURN_TO` says what it may be.
            tenant: the slug of the tenant that the person has to belong to, if that matters.
            provider_alias: the identity provider behind the realm to go to at once.

        Raises:
            ProviderError: the provider does not answer.
            SessionsUnavailableError: Redis does not answer.
        """
        state, browser = secrets.token_urlsafe(32), self._cookie.read(request)
        if browser is None:
            browser = secrets.token_urlsafe(32)
        pending = PendingLogin(
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            browser=_digest(browser),
            return_to=return_to,
            tenant=tenant,
        )
        url = await self._client.authorization_url(
            state=state,
            nonce=pending.nonce,
            verifier=pending.verifier,
            provider_alias=provider_alias,
        )
        text = json.dumps(asdict(pending))
        if not await REDIS.ask(lambda: self._redis.set(_key(state), text, ex=LOGIN_SECONDS)):
            raise SessionsUnavailableError("Redis")
        self._cookie.write(response, browser, max_age=LOGIN_SECONDS)
        return url

    async def take(self, request: Request, state: str, issuer: str | None) -> PendingLogin:
        """Return the login that a browser comes back from; it can be taken once.

        Args:
            request: of the browser.
            state: that the provider gave the browser to bring back.
            issuer: likewise, if the provider does so (RFC 9207): an answer of another provider must
                not be taken for this one's.

        Raises:
            LoginFailedError: there is none, or another browser began it.
            SessionsUnavailableError: Redis does not answer.
        """
        if issuer not in {None, self._settings.oidc_issuer}:
            raise LoginFailedError("The answer comes from another identity provider.")

        async def read() -> str:
            return str(await self._redis.getdel(_key(state)) or "")

        text = await REDIS.ask(read)
        if text is None:
            raise SessionsUnavailableError("Redis")
        if not text:
            raise LoginFailedError("This login is unknown, used up, or was begun too long ago.")
        pending = PendingLogin(**json.loads(text))
        if not compare_digest(_digest(self._cookie.read(request) or ""), pending.browser):
            raise LoginFailedError("This login was begun in another browser.")
        return pending

    async def complete(self, pending: PendingLogin, code: str) -> tuple[Tokens, AccessToken]:
        """Exchange the code that the browser brought, and check what the provider gives for it.

        Raises:
            LoginFailedError: the provider does not accept the code.
            InvalidTokenError: a token is not accepted, or belongs to another login.
            ProviderError: the provider does not answer.
        """
        try:
            tokens = await self._client.redeem_code(code, pending.verifier)
        except GrantRefusedError as error:
            logger.warning("login refused by the provider", error=str(error))
            raise LoginFailedError("The identity provider does not accept the code.") from error
        access = await self._verifier.verify_access_token(
            tokens.access_token, self._settings.oidc_audience
        )
        claims = await self._verifier.verify(
            tokens.id_token or "",
            self._settings.oidc_backend_client_id,
            ("iss", "sub", "aud", "exp", "iat", "nonce"),
        )
        # OpenID Connect Core 1.0, section 3.1.3.7.
        if not compare_digest(str(claims["nonce"]).encode(), pending.nonce.encode()):
            raise InvalidTokenError("The ID token belongs to another login.")
        if claims.get("azp", self._settings.oidc_backend_client_id) != (
            self._settings.oidc_backend_client_id
        ):
            raise InvalidTokenError("The ID token was issued to another client.")
        if claims["sub"] != access.subject:
            raise InvalidTokenError("The ID token and the access token name different people.")
        return tokens, access


def _key(state: str) -> str:
    return f"login:{_digest(state)}"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
