"""Users, logins and sessions as the API shows and takes them."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.identity.scopes import Role, Scope
from app.tenancy.schemas import Slug

RETURN_TO: Final = r"^/([!-.0-\[\]-~][!-\[\]-~]*)?$"
"""A path that keeps a browser on this application, as `location` gives it: printable ASCII.

Browsers take two slashes, or a slash and a backslash, for the beginning of a host, and leave out
control characters: so the second character is no slash, and backslashes and control characters are
nowhere.
"""


class LoginQuery(BaseModel):
    """How a browser wants to log in."""

    tenant: Slug | None = Field(None, description="Slug of the tenant that the person must be of")
    provider: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, description="One of the tenant's `/oauth/providers`, to go to at once"
    )
    return_to: Annotated[str, StringConstraints(max_length=2000, pattern=RETURN_TO)] = Field(
        "/", description="Path of the page to come back to", examples=["/todos?page=2"]
    )


class CallbackQuery(BaseModel):
    """What the identity provider gives a browser to bring back (RFC 6749, section 4.1.2)."""

    state: Annotated[str, StringConstraints(max_length=200)]
    code: Annotated[str, StringConstraints(max_length=2000)] | None = None
    error: Annotated[str, StringConstraints(pattern="^[a-z_]{1,50}$")] | None = None
    iss: str | None = Field(None, description="The issuer (RFC 9207)")


class AuthConfig(BaseModel):
    """What a page needs to log somebody in."""

    issuer: str = Field(examples=["https://login.example.com/realms/app"])
    client_id: str = Field(examples=["frontend"])
    scope: str = Field(examples=["openid profile email statements/read statements/write"])
    project_name: str


class CallerTenant(BaseModel):
    """The tenant that the caller acts in."""

    id: UUID
    slug: str = Field(examples=["acme"])
    name: str = Field(examples=["Acme"])


class Caller(BaseModel):
    """The caller, and what they may do now."""

    id: UUID | None = Field(description="null for a caller who belongs to no tenant")
    subject: str = Field(description="The caller's id at the identity provider")
    email: str | None = Field(examples=["alice@acme.test"])
    name: str | None = Field(examples=["Alice"])
    role: Role | None
    scopes: list[Scope]
    tenant: CallerTenant | None


class UserRead(BaseModel):
    """A person in the caller's tenant."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str | None = Field(examples=["bob@acme.test"])
    name: str | None = Field(examples=["Bob"])
    role: Role
    is_active: bool
    created_at: datetime
    last_seen_at: datetime = Field(description="To within five minutes")


class UserUpdate(BaseModel):
    """What a tenant's administrator may change of a person."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "admin"}]})

    role: Role


class ProviderRead(BaseModel):
    """A place to log in at."""

    model_config = ConfigDict(from_attributes=True)

    alias: str = Field(examples=["acme-sso"])
    display_name: str = Field(examples=["Acme single sign-on"])


class SessionEnd(BaseModel):
    """What is left to do after a logout."""

    end_session_url: str | None = Field(
        description="Where to send the browser, to end the login at the identity provider as well"
    )
