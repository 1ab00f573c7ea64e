"""The identity provider: where its endpoints are, its keys, and its tokens for codes.

Browsers reach the provider under the issuer's address. The application may have to use another one,
for example a service's name inside of a cluster (`OIDC_INTERNAL_URL`); tokens name the issuer
either way.
"""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx2

from app.core.settings import get_settings
from app.identity.settings import IdentitySettings

TIMEOUT_SECONDS: Final = 3.0
MAX_DOCUMENT_BYTES: Final = 256 * 1024


class ProviderError(Exception):
    """The identity provider does not answer, or not with what it should."""


class GrantRefusedError(Exception):
    """The provider does not accept the code or the refresh token."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The provider's endpoints (OpenID Connect Discovery 1.0, section 3).

    `authorization` and `end_session` are for browsers; the others are asked from here.
    """

    jwks: str
    authorization: str
    token: str
    revocation: str | None
    end_session: str | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the provider gives for a grant. `expires_at` is in seconds since 1970."""

    access_token: str
    refresh_token: str | None
    id_token: str | None
    expires_at: int


class Provider:
    """Fetches the provider's documents. It holds one pool of connections; `close` gives it back."""

    def __init__(self, settings: IdentitySettings) -> None:
        self._issuer = settings.oidc_issuer
        self._public = _origin(settings.oidc_issuer)
        self._internal = settings.oidc_internal_url or self._public
        self.tls: Final = httpx2.create_ssl_context()
        """For every connection to the provider: to read the machine's authorities takes long."""
        self._client = httpx2.AsyncClient(
            timeout=TIMEOUT_SECONDS, follow_redirects=False, verify=self.tls
        )
        self._metadata: Metadata | None = None

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def fetch_keys(self) -> list[Any]:
        """Return the provider's key set as it is (RFC 7517, section 5).

        Raises:
            ProviderError: it does not answer, or not with a key set.
        """
        try:
            keys = (await self._fetch((await self.metadata()).jwks)).get("keys")
        except ProviderError:
            # The endpoints may have moved; the next attempt begins with the configuration.
            self._metadata = None
            raise
        if not isinstance(keys, list):
            raise ProviderError("The provider's key set has no list of keys.")
        return keys

    async def metadata(self) -> Metadata:
        """Return the provider's endpoints, fetched once.

        Raises:
            ProviderError: it does not answer, or is not the issuer that the settings name.
        """
        if self._metadata is None:
            path = urlsplit(self._issuer).path
            document = await self._fetch(f"{self._internal}{path}/.well-known/openid-configuration")
            self._metadata = self._read(document)
        return self._metadata

    def _read(self, document: dict[str, Any]) -> Metadata:
        issuer = document.get("issuer")
        if issuer != self._issuer:
            # A provider that answers for another issuer may be another provider (Discovery, section
            # 4.3).
            raise ProviderError(
                f"The provider names the issuer {issuer}, OIDC_ISSUER {self._issuer}."
            )
        try:
            return Metadata(
                jwks=self._reach(document["jwks_uri"], self._internal),
                authorization=self._reach(document["authorization_endpoint"], self._public),
                token=self._reach(document["token_endpoint"], self._internal),
                revocation=self._optional(document.get("revocation_endpoint"), self._internal),
                end_session=self._optional(document.get("end_session_endpoint"), self._public),
            )
        except KeyError as error:
            raise ProviderError(f"The provider's configuration lacks {error}.") from None

    def _optional(self, url: str | None, origin: str) -> str | None:
        return self._reach(url, origin) if url else None

    def _reach(self, url: str, origin: str) -> str:
        """Put the provider's own address, public or internal, into the form that reaches it."""
        return (
            urlunsplit((*urlsplit(origin)[:2], *urlsplit(url)[2:]))
            if _origin(url) in {self._public, self._internal}
            else url
        )

    async def _fetch(self, url: str) -> dict[str, Any]:
        try:
            response = await self._client.get(url, headers={"Accept": "application/json"})
            response.raise_for_status()
            if len(response.content) > MAX_DOCUMENT_BYTES:
                raise ProviderError(f"{url} is longer than {MAX_DOCUMENT_BYTES} bytes.")
            document = response.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderError(f"{url}: {error!r}") from error
        if not isinstance(document, dict):
            raise ProviderError(f"{url} is not a JSON object.")
        return document


class OAuthClient:
    """The backend's own confidential client: codes and refresh tokens against tokens."""

    def __init__(self, provider: Provider, settings: IdentitySettings) -> None:
        self._provider = provider
        self._settings = settings
        self._tls = provider.tls
        core = get_settings()
        self.redirect_uri: Final = f"{core.public_url}{core.api_prefix}/oauth/callback"

    def _client(self) -> Any:  # noqa: ANN401 - Authlib has no types
        """Return a client for one exchange: Authlib's keeps the tokens of the last one."""
        # Importing it is a seventh of what a start costs: only who uses it pays for it.
        from authlib.integrations.httpx_client import AsyncOAuth2Client  # noqa: PLC0415

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
    from authlib.integrations.base_client import OAuthError  # noqa: PLC0415 - see `_client`

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


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
