"""Who is asking and whether they may: what an endpoint declares.

    @router.post("/todos")
    async def create(principal: Annotated[Principal, require("statements/write")]) -> TodoRead: ...

The order in which a request is decided: the token and its revocation (`authentication.py`), the
tenant (`app.tenancy.dependencies`), the user in that tenant (here), the scope (here).
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends

from app.core.context import set_current_user_id
from app.core.errors import ForbiddenError, UnavailableError
from app.identity import service
from app.identity.scopes import ADMINISTRATIVE, Role, Scope, effective_scopes
from app.identity.tokens import AccessToken
from app.tenancy.dependencies import CurrentRequest

_NONE: Final = frozenset[Scope]()


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request, as far as this application knows them.

    `user_id`, `role` and `tenant_id` are None for a caller who belongs to no tenant, such as a
    platform's administrator. `withheld` holds the scopes that the caller has and may not use for
    the moment, because Redis cannot say whether their token has been revoked.
    """

    user_id: UUID | None
    subject: str
    email: str | None
    name: str | None
    role: Role | None
    scopes: frozenset[Scope]
    tenant_id: UUID | None
    token: AccessToken
    withheld: frozenset[Scope] = _NONE

    def may(self, *scopes: Scope | str) -> bool:
        """Tell whether the caller has one of the scopes."""
        return not self.scopes.isdisjoint(scopes)


async def current_principal(request: CurrentRequest) -> Principal:
    """Find the caller, and at their first request write down who they are.

    Raises:
        ForbiddenError: the user has been deactivated in this tenant.
    """
    token, user_id, role = request.authentication.token, None, None
    if request.session is not None:
        member = await service.admit_or_register(request.session, token, request.member)
        user_id, role = member.id, Role(member.role)
        set_current_user_id(user_id)
    scopes = effective_scopes(token.scopes, role)
    withheld = _NONE if request.authentication.revocation_checked else scopes & ADMINISTRATIVE
    return Principal(
        user_id=user_id,
        subject=token.subject,
        email=token.email,
        name=token.name,
        role=role,
        scopes=scopes - withheld,
        tenant_id=token.tenant_id,
        token=token,
        withheld=withheld,
    )


CurrentUser = Annotated[Principal, Depends(current_principal)]


class ScopeRequirement:
    """A dependency that lets a caller through who has one of the scopes."""

    def __init__(self, scopes: frozenset[Scope]) -> None:
        self.scopes = scopes

    async def __call__(self, principal: CurrentUser) -> Principal:
        """Return the caller.

        Raises:
            ForbiddenError: the caller has none of the scopes.
            UnavailableError: the caller has one, and it is withheld while Redis does not answer.
        """
        if principal.may(*self.scopes):
            return principal
        names = " or ".join(sorted(self.scopes))
        if not principal.withheld.isdisjoint(self.scopes):
            raise UnavailableError(
                f"The scope {names} cannot be used for the moment, because it cannot be checked "
                "whether the token has been revoked. Try again shortly.",
                headers={"Retry-After": "5"},
            )
        raise ForbiddenError(f"This needs the scope {names}.")


def require(*scopes: Scope | str) -> Any:  # noqa: ANN401 - as FastAPI's own Depends
    """Declare that a route needs one of the scopes; the dependency's value is the `Principal`.

    Raises:
        ValueError: no scope is given, or one that does not exist; both when the route is declared.
    """
    if not scopes:
        raise ValueError("require() needs at least one scope")
    return Depends(ScopeRequirement(frozenset(Scope(scope) for scope in scopes)))
