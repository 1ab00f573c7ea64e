"""Tenants: finding, listing, creating, renaming, switching off and on."""

from urllib.parse import urlsplit
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import TENANT, setting_of
from app.core.errors import ConflictError, ForbiddenError, NotFoundError
from app.core.pagination import PageQuery, fetch_page
from app.tenancy.models import Tenant
from app.tenancy.schemas import TenantCreate

logger = structlog.get_logger(__name__)


class TenantMismatchError(ForbiddenError):
    """The request names one tenant and its token another."""

    code, title = "tenant-mismatch", "Another tenant"


class TenantInactiveError(ForbiddenError):
    """The token's tenant does not exist, or was deactivated."""

    code, title = "tenant-inactive", "Tenant not active"


async def find_tenant(session: AsyncSession, tenant_id: UUID) -> Tenant | None:
    """Return a tenant by its id, active or not."""
    return await session.get(Tenant, tenant_id)


async def enter_tenant(session: AsyncSession, tenant_id: UUID) -> Tenant | None:
    """Return a tenant, active or not, and let the session work for it: both in one statement.

    If there is none, nothing is set, and the session sees no tenant's rows.
    """
    statement = select(Tenant, setting_of(tenant_id)).where(Tenant.id == tenant_id)
    found = (await session.execute(statement)).one_or_none()
    if found is None:
        return None
    session.info[TENANT] = tenant_id  # for transactions that the session begins later
    return found[0]


async def find_tenant_by_slug(session: AsyncSession, slug: str) -> Tenant | None:
    """Return a tenant by its slug, active or not."""
    return await session.scalar(select(Tenant).where(Tenant.slug == slug))


async def get_tenant(session: AsyncSession, tenant_id: UUID) -> Tenant:
    """Return a tenant by its id, active or not.

    Raises:
        NotFoundError: there is none.
    """
    tenant = await find_tenant(session, tenant_id)
    if tenant is None:
        raise NotFoundError(f"There is no tenant {tenant_id}.")
    return tenant


async def list_tenants(session: AsyncSession, query: PageQuery) -> tuple[list[Tenant], str | None]:
    """Return a page of all tenants and the cursor of the next one."""
    return await fetch_page(session, select(Tenant), Tenant, query)


async def create_tenant(session: AsyncSession, data: TenantCreate) -> Tenant:
    """Add a tenant.

    Raises:
        ConflictError: its slug is taken.
    """
    tenant = Tenant(slug=data.slug, name=data.name)
    try:
        async with session.begin_nested():
            session.add(tenant)
    except IntegrityError:
        raise ConflictError(f"The slug '{data.slug}' is taken. Choose another.") from None
    logger.info("tenant created", slug=tenant.slug, id=str(tenant.id))
    return tenant


async def rename_tenant(session: AsyncSession, tenant_id: UUID, name: str) -> Tenant:
    """Give a tenant another name."""
    tenant = await get_tenant(session, tenant_id)
    tenant.name = name
    await session.flush()
    return tenant


async def switch_tenant(session: AsyncSession, tenant_id: UUID, *, active: bool) -> Tenant:
    """Let a tenant's people in, or keep them out from their next request on. Its data stay."""
    tenant = await get_tenant(session, tenant_id)
    tenant.is_active = active
    await session.flush()
    logger.info("tenant switched", slug=tenant.slug, id=str(tenant.id), active=active)
    return tenant


def subdomain_of(host: str | None, public_url: str) -> str | None:
    """Return what precedes the public URL's host in a request's host, or nothing."""
    parent = urlsplit(public_url).hostname
    if not host or not parent or not host.endswith(f".{parent}"):
        return None
    return host.removesuffix(f".{parent}")
