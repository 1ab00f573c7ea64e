"""Settings of identity."""

from functools import cache
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from app import project
from app.core.setting_types import Origin
from app.core.settings import EnvironmentSettings, load_settings
from app.identity.scopes import Scope


def _without_trailing_slash(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError(
            f"'{url}' is not a URL; write one like https://login.example.com/realms/app"
        )
    return url.rstrip("/")


DEFAULT_SCOPE: Final = " ".join(["openid", "profile", "email", *Scope])


class IdentitySettings(EnvironmentSettings):
    """Where the identity provider is, and how strictly tokens and sessions are held."""

    oidc_issuer: Annotated[str, AfterValidator(_without_trailing_slash)] = (
        f"http://localhost:{project.KEYCLOAK_PORT}/realms/{project.SLUG}"
    )
    oidc_internal_url: Origin | None = Field(
        None, description="reaches the provider from here, if the issuer's own address does not"
    )
    oidc_audience: str = "api"
    oidc_client_id: str = "frontend"
    oidc_scope: str = DEFAULT_SCOPE
    oidc_backend_client_id: str = "backend"
    oidc_backend_client_secret: SecretStr = SecretStr("backend-development")
    jwt_leeway_seconds: float = Field(10, ge=0, le=300)
    jwks_cache_seconds: float = Field(300, gt=0)
    jwks_refresh_interval_seconds: float = Field(30, gt=0)
    revocation_strict: bool = False
    session_cookie_secure: bool | None = None
    session_lifetime_seconds: int = Field(3600, gt=0, description="without a request in between")

    @property
    def cookies_are_secure(self) -> bool:
        """Whether cookies travel over HTTPS only; by default unless in development and test."""
        return (
            self.is_protected if self.session_cookie_secure is None else self.session_cookie_secure
        )


@cache
def get_identity_settings() -> IdentitySettings:
    """Return the settings of identity, read once."""
    return load_settings(IdentitySettings)
