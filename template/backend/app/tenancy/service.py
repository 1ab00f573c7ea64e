"""Tenants: finding, listing, creating, renaming, switching off and on."""

from datetime import datetime
from functools import cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import TENANT
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


class Member(NamedTuple):
    """A user of a tenant, as a request needs to know them."""

    id: UUID
    email: str | None
    name: str | None
    role: str
    is_active: bool
    last_seen_at: datetime


class Entry(NamedTuple):
    """What the database function `app_enter_tenant` finds: a tenant, and one of its users if known.

    Plain values: to make models of them costs a request twice as much.
    """

    slug: str
    name: str
    is_active: bool
    member: Member | None


ENTER: Final = text("SELECT * FROM app_enter_tenant(:tenant_id, :issuer, :subject)")


async def enter_tenant(
    session: AsyncSession, tenant_id: UUID, issuer: str, subject: str
) -> Entry | None:
    """Let the session work for a tenant, and find it and the user: all in one statement.

    Args:
        session: has no tenant yet.
        tenant_id: of the tenant, active or not.
        issuer: of the user's tokens.
        subject: what the issuer calls the user.

    Returns:
        What was found, or None if there is no such tenant; then no tenant's rows can be seen.
    """
    values = {"tenant_id": tenant_id, "issuer": issuer, "subject": subject}
    found = (await session.execute(ENTER, values)).one_or_none()
    session.info[TENANT] = tenant_id  # for transactions that the session begins later
    if found is None:
        return None
    slug, name, is_active, *member = found
    return Entry(slug, name, is_active, Member(*member) if member[0] is not None else None)


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


def subdomain_of(host: str, public_url: str) -> str | None:
    """Return what precedes the public URL's host in a request's header Host, or nothing."""
    name, suffix = host.partition(":")[0].lower(), f".{host_of(public_url)}"
    return name.removesuffix(suffix) if name.endswith(suffix) else None


@cache
def host_of(url: str) -> str:
    """Return the host in a URL of the settings, which every URL there has."""
    return urlsplit(url).hostname or ""
