"""What a caller may do: the scopes, which of them include which, and what a role permits.

A scope counts only when the access token carries it *and* the user's role in the database permits
it, so that a demotion counts from the next request on, whatever the token still says.

Every route declares `require(...)`, but for those that are listed at the end: a test walks all.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """The scopes that the identity provider issues, by their names in a token."""

    STATEMENTS_READ = "statements/read"
    STATEMENTS_WRITE = "statements/write"
    STATEMENTS_READ_MINE = "statements/read/mine"
    STATE_READ = "state/read"
    STATE_WRITE = "state/write"
    TENANT_ADMIN = "tenant/admin"
    ADMIN = "admin"


class Role(StrEnum):
    """What a user is in their tenant. The database decides it after the first login."""

    MEMBER = "member"
    ADMIN = "admin"


_WORK: Final = frozenset(
    {
        Scope.STATEMENTS_READ,
        Scope.STATEMENTS_WRITE,
        Scope.STATEMENTS_READ_MINE,
        Scope.STATE_READ,
        Scope.STATE_WRITE,
    }
)

INCLUDED: Final[dict[Scope, frozenset[Scope]]] = {
    Scope.STATEMENTS_READ: frozenset({Scope.STATEMENTS_READ_MINE}),
    Scope.TENANT_ADMIN: _WORK,
}
"""The hierarchy: a scope brings those beside it. `admin` brings none: a platform's administrator
manages tenants and reads no tenant's data."""

PERMITTED: Final[dict[Role, frozenset[Scope]]] = {
    Role.MEMBER: _WORK,
    Role.ADMIN: _WORK | {Scope.TENANT_ADMIN},
}
"""What a role may use at most. `admin` belongs to no tenant's role: it comes from the token alone,
and the identity provider issues it to the realm role platform-admin only."""

ADMINISTRATIVE: Final = frozenset({Scope.ADMIN, Scope.TENANT_ADMIN})
"""Refused while it cannot be told whether a token has been revoked."""

_KNOWN: Final = {scope.value: scope for scope in Scope}


def parse_scopes(claim: str) -> frozenset[Scope]:
    """Read a token's `scope` claim, a list separated by spaces (RFC 8693, section 4.2).

    Unknown scopes, such as `openid`, are left out.
    """
    return frozenset(_KNOWN[name] for name in claim.split() if name in _KNOWN)


def with_included(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """Add the scopes that the given ones bring with them."""
    granted = frozenset(scopes)
    return granted.union(*(INCLUDED.get(scope, frozenset()) for scope in granted))


def effective_scopes(granted: frozenset[Scope], role: Role | None) -> frozenset[Scope]:
    """Work out what a caller may do.

    Args:
        granted: the scopes in the access token.
        role: the user's role in the tenant, or None for a caller who belongs to no tenant.

    Returns:
        The token's scopes with those that they include, as far as the role permits.
    """
    permitted = PERMITTED[role] if role is not None else frozenset[Scope]()
    return with_included(granted) & (permitted | {Scope.ADMIN})


PUBLIC_ROUTES: Final = frozenset(
    {
        "GET /health",
        "GET /health/ready",
        "GET /auth/config",
        "GET /oauth/providers",
        "GET /oauth/login",
        "GET /oauth/callback",
        "POST /oauth/logout",
        "GET /openapi.json",
        "GET /docs",
        "GET /docs/oauth2-redirect",
        "GET /redoc",
    }
)
"""Routes that need no token; their paths follow the API's prefix. A feature lists its own in a
constant of the same name and form, in its `install.py`."""

ANY_CALLER: Final = frozenset({"GET /auth/me", "POST /auth/logout"})
"""Routes that need a token, with whatever scopes."""
