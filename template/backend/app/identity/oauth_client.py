"""Talking to the provider as a confidential client: codes and refresh tokens against tokens."""

from dataclasses import dataclass
from typing import Any, Final

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from app.core.settings import get_settings
from app.identity.provider import TIMEOUT_SECONDS, Provider, ProviderError
from app.identity.settings import IdentitySettings


class GrantRefusedError(Exception):
    """The provider does not accept the code or the refresh token."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the provider gives for a grant. `expires_at` is in seconds since 1970."""

    access_token: str
    refresh_token: str | None
    id_token: str | None
    expires_at: int


class OAuthClient:
    """The backend's own client at the provider."""

    def __init__(self, provider: Provider, settings: IdentitySettings) -> None:
        self._provider = provider
        self._settings = settings
        self._tls: Final = httpx2.create_ssl_context()
        core = get_settings()
        self.redirect_uri: Final = f"{core.public_url}{core.api_prefix}/oauth/callback"

    def _client(self) -> Any:  # noqa: ANN401 - Authlib has no types
        """Return a client for one exchange: Authlib's keeps the tokens of the last one."""
        return AsyncOAuth2Client(
            client_id=self._settings.oidc_backend_client_id,
            client_secret=self._settings.oidc_backend_client_secret.get_secret_value(),
            scope=self._settings.oidc_scope,
            redirect_uri=self.redirect_uri,
            code_challenge_method="S256",
            timeout=TIMEOUT_SECONDS,
            verify=self._tls,
        )

    async def authorization_url(
        self, *, state: str, nonce: str, verifier: str, provider_alias: str | None
    ) -> str:
        """Return where the browser logs in.

        Args:
            state: comes back with the answer, so that it can be told whose it is.
            nonce: comes back in the ID token, so that no other login's token fits.
            verifier: of PKCE (RFC 7636); only its hash goes to the browser.
            provider_alias: the identity provider behind the realm to go to at once.

        Raises:
            ProviderError: the provider does not answer.
        """
        metadata = await self._provider.metadata()
        hint = {"kc_idp_hint": provider_alias} if provider_alias else {}
        async with self._client() as client:
            url: str
            url, _ = client.create_authorization_url(
                metadata.authorization, state=state, nonce=nonce, code_verifier=verifier, **hint
            )
        return url

    async def redeem_code(self, code: str, verifier: str) -> Tokens:
        """Exchange the code that the browser brought.

        Raises:
            GrantRefusedError: the provider does not accept it.
            ProviderError: the provider does not answer.
        """
        url = (await self._provider.metadata()).token
        async with self._client() as client:
            return await _exchange(client.fetch_token(url, code=code, code_verifier=verifier))

    async def refresh(self, tokens: Tokens) -> Tokens:
        """Exchange a refresh token for new tokens; what the provider does not renew stays.

        Raises:
            GrantRefusedError: the provider's session has ended.
            ProviderError: the provider does not answer.
        """
        url = (await self._provider.metadata()).token
        async with self._client() as client:
            # Without `scope` the grant keeps the scopes that it has (RFC 6749, section 6).
            client.scope = None
            new = await _exchange(client.refresh_token(url, refresh_token=tokens.refresh_token))
        return Tokens(
            access_token=new.access_token,
            refresh_token=new.refresh_token or tokens.refresh_token,
            id_token=new.id_token or tokens.id_token,
            expires_at=new.expires_at,
        )

    async def revoke(self, refresh_token: str) -> None:
        """End the grant at the provider (RFC 7009).

        Raises:
            ProviderError: the provider does not answer.
        """
        url = (await self._provider.metadata()).revocation
        if url is None:
            return
        async with self._client() as client:
            try:
                await client.revoke_token(url, refresh_token, token_type_hint="refresh_token")  # noqa: S106
            except httpx2.HTTPError as error:
                raise ProviderError(f"{url}: {error!r}") from error


async def _exchange(request: Any) -> Tokens:  # noqa: ANN401 - Authlib has no types
    try:
        answer = await request
        return Tokens(
            access_token=str(answer["access_token"]),
            refresh_token=answer.get("refresh_token"),
            id_token=answer.get("id_token"),
            expires_at=int(answer["expires_at"]),
        )
    except OAuthError as error:
        raise GrantRefusedError(str(error)) from error
    except (httpx2.HTTPError, ValueError, KeyError) as error:
        raise ProviderError(f"The token endpoint: {error!r}") from error
