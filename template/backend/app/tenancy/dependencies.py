"""The transaction of a request, and the tenant that it works for.

The tenant is the one in the access token. A header `X-Tenant-ID` or a subdomain may name it too,
for a client's own safety, and never changes it: a request that names another tenant is refused.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from app.core.context import TenantContext, set_current_tenant
from app.core.database import DatabaseDep
from app.core.errors import ForbiddenError
from app.core.settings import get_settings
from app.identity.authentication import CurrentAuthentication
from app.tenancy import service
from app.tenancy.service import TenantInactiveError, TenantMismatchError


async def open_tenant_session(
    request: Request, authentication: CurrentAuthentication, database: DatabaseDep
) -> AsyncIterator[AsyncSession | None]:
    """Open the request's one transaction; commit it when the endpoint has returned.

    `scope="function"` below makes the commit come before the answer: who reads "created" finds the
    row, and a commit that fails is an error that the client sees.

    Yields:
        A session that sees the rows of the token's tenant, or nothing if the token has no tenant.

    Raises:
        TenantInactiveError: the tenant does not exist, or was deactivated.
        TenantMismatchError: the request names another tenant than its token.
    """
    tenant_id = authentication.token.tenant_id
    named = request.headers.get("x-tenant-id")
    if named is not None and named.lower() != str(tenant_id):
        raise TenantMismatchError("X-Tenant-ID names another tenant than the access token.")
    if tenant_id is None:
        yield None
        return
    async with database.transaction() as session:
        tenant = await service.enter_tenant(session, tenant_id)
        if tenant is None or not tenant.is_active:
            raise TenantInactiveError("The access token's tenant is unknown or deactivated.")
        await refuse_other_subdomain(session, request, tenant.slug)
        set_current_tenant(TenantContext(tenant.id, tenant.slug, tenant.name))
        yield session


async def refuse_other_subdomain(session: AsyncSession, request: Request, slug: str) -> None:
    """Refuse a host such as `globex.app.example.com` to a token of the tenant `acme`.

    A subdomain that is no tenant's slug, such as `api`, says nothing of tenants and is let through.
    """
    subdomain = service.subdomain_of(request.url.hostname, get_settings().public_url)
    if subdomain in {None, slug}:
        return
    if await service.find_tenant_by_slug(session, str(subdomain)) is not None:
        raise TenantMismatchError("The host names another tenant than the access token.")


OptionalTenantSession = Annotated[
    AsyncSession | None, Depends(open_tenant_session, scope="function")
]


async def need_tenant_session(session: OptionalTenantSession) -> AsyncSession:
    """Return the request's session.

    Raises:
        ForbiddenError: the token belongs to no tenant, as a platform administrator's does.
    """
    if session is None:
        raise ForbiddenError("This needs an access token of a tenant; the given one has none.")
    return session


TenantSession = Annotated[AsyncSession, Depends(need_tenant_session, scope="function")]


async def open_platform_session(database: DatabaseDep) -> AsyncIterator[AsyncSession]:
    """Open a transaction for no tenant: it sees the tenants themselves, and no tenant's rows."""
    async with database.transaction() as session:
        yield session


PlatformSession = Annotated[AsyncSession, Depends(open_platform_session, scope="function")]
