"""The transaction of a request, and the tenant that it works for.

The tenant is the one in the access token. A header `X-Tenant-ID` or a subdomain may name it too,
for a client's own safety, and never changes it: a request that names another tenant is refused.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from app.core.context import TenantContext, set_current_tenant
from app.core.database import Database, DatabaseDep
from app.core.errors import ForbiddenError
from app.core.settings import get_settings
from app.identity.authentication import Authentication, CurrentAuthentication
from app.tenancy import service
from app.tenancy.service import Member, TenantInactiveError, TenantMismatchError


@dataclass(frozen=True, slots=True)
class AuthenticatedRequest:
    """A request with an accepted token.

    `session` is its one transaction; a token without a tenant has none. `member` is its user as the
    tenant knows them; somebody who is new is not known yet.
    """

    authentication: Authentication
    session: AsyncSession | None
    member: Member | None


async def open_transaction(
    request: Request, authentication: CurrentAuthentication
) -> AsyncIterator[AuthenticatedRequest]:
    """Open the request's one transaction; commit it when the endpoint has returned.

    `scope="function"` below makes the commit come before the answer: who reads "created" finds the
    row, and a commit that fails is an error that the client sees.

    Yields:
        The request, with a session that sees the rows of the token's tenant.

    Raises:
        TenantInactiveError: the tenant does not exist, or was deactivated.
        TenantMismatchError: the request names another tenant than its token.
    """
    token = authentication.token
    tenant_id = token.tenant_id
    if any(named.lower() != str(tenant_id) for named in request.headers.getlist("x-tenant-id")):
        raise TenantMismatchError("X-Tenant-ID names another tenant than the access token.")
    if tenant_id is None:
        yield AuthenticatedRequest(authentication, None, None)
        return
    database: Database = request.app.state.database
    async with database.transaction() as session:
        entry = await service.enter_tenant(session, tenant_id, token.issuer, token.subject)
        if entry is None or not entry.is_active:
            raise TenantInactiveError("The access token's tenant is unknown or deactivated.")
        await refuse_other_subdomain(session, request, entry.slug)
        set_current_tenant(TenantContext(tenant_id, entry.slug, entry.name))
        yield AuthenticatedRequest(authentication, session, entry.member)


async def refuse_other_subdomain(session: AsyncSession, request: Request, slug: str) -> None:
    """Refuse a host such as `globex.app.example.com` to a token of the tenant `acme`.

    A subdomain that is no tenant's slug, such as `api`, says nothing of tenants and is let through.
    """
    subdomain = service.subdomain_of(request.headers.get("host", ""), get_settings().public_url)
    if subdomain in {None, slug}:
        return
    if await service.find_tenant_by_slug(session, str(subdomain)) is not None:
        raise TenantMismatchError("The host names another tenant than the access token.")


# FastAPI goes through all that a dependency stands on each time that something names it, though it
# calls it once: hence one that stands on little, and has everything.
CurrentRequest = Annotated[AuthenticatedRequest, Depends(open_transaction, scope="function")]


async def need_tenant_session(request: CurrentRequest) -> AsyncSession:
    """Return the request's session.

    Raises:
        ForbiddenError: the token belongs to no tenant, as a platform administrator's does.
    """
    if request.session is None:
        raise ForbiddenError("This needs an access token of a tenant; the given one has none.")
    return request.session


TenantSession = Annotated[AsyncSession, Depends(need_tenant_session, scope="function")]


async def open_platform_session(database: DatabaseDep) -> AsyncIterator[AsyncSession]:
    """Open a transaction for no tenant: it sees the tenants themselves, and no tenant's rows."""
    async with database.transaction() as session:
        yield session


PlatformSession = Annotated[AsyncSession, Depends(open_platform_session, scope="function")]
