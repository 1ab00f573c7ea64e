"""The identity provider: where its endpoints are, and fetching from it.

Browsers reach the provider under the issuer's address. The application may have to use another one,
for example a service's name inside of a cluster (`OIDC_INTERNAL_URL`); tokens name the issuer
either way.
"""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx2

from app.identity.settings import IdentitySettings

TIMEOUT_SECONDS: Final = 3.0
MAX_DOCUMENT_BYTES: Final = 256 * 1024


class ProviderError(Exception):
    """The identity provider does not answer, or not with what it should."""


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


class Provider:
    """Fetches the provider's documents. It holds one pool of connections; `close` gives it back."""

    def __init__(self, settings: IdentitySettings) -> None:
        self._issuer = settings.oidc_issuer
        self._public = _origin(settings.oidc_issuer)
        self._internal = settings.oidc_internal_url or self._public
        self._client = httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False)
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


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
