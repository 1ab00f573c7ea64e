"""Tenants as the API shows and takes them."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

RESERVED: Final = frozenset({"admin", "api", "app", "auth", "login", "static", "www"})
"""Names of hosts that a deployment may have beside its tenants' subdomains."""


def refuse_reserved(slug: str) -> str:
    """Refuse a slug that would clash with a host of the platform."""
    if slug in RESERVED:
        raise ValueError(f"'{slug}' is reserved; reserved are {', '.join(sorted(RESERVED))}")
    return slug


LINE: Final = r"^[^\x00-\x1f\x7f]*[^\s\ufeff\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
"""One line with something to see in it. PostgreSQL cannot store the character NUL, and no other
control character belongs into a name."""

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=LINE),
    # Only now: what is described as allowed is what a client sends, and not what is left of it.
    AfterValidator(str.strip),
]
"""A name or title as a person types it; white space around it is dropped."""

# A slug can be a subdomain: RFC 1035, section 2.3.1.
Slug = Annotated[
    str, StringConstraints(pattern="^[a-z][a-z0-9-]*[a-z0-9]$", min_length=2, max_length=63)
]
NewSlug = Annotated[
    Slug,
    AfterValidator(refuse_reserved),
    Field(json_schema_extra={"not": {"enum": sorted(RESERVED)}}),
]


class TenantUpdate(BaseModel):
    """What a tenant's administrator may change."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Acme Corporation"}]})

    name: Name


class TenantCreate(BaseModel):
    """A new tenant."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"slug": "initech", "name": "Initech"}]}
    )

    slug: NewSlug
    name: Name


class TenantRead(BaseModel):
    """A tenant."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    slug: str = Field(examples=["acme"])
    name: str = Field(examples=["Acme"])
    is_active: bool
    created_at: datetime
