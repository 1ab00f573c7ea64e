"""The caller's own tenant, and for the platform's administrators all of them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from app.core.errors import problem_responses
from app.core.pagination import Page, PageDep
from app.identity.dependencies import Principal, require
from app.tenancy import service
from app.tenancy.dependencies import PlatformSession, TenantSession
from app.tenancy.models import Tenant
from app.tenancy.schemas import TenantCreate, TenantRead, TenantUpdate

router = APIRouter(responses=problem_responses(401, 403, 429, 503))
Member = Annotated[Principal, require("statements/read/mine", "state/read", "tenant/admin")]
TenantAdmin = Annotated[Principal, require("tenant/admin")]
platform_admin = require("admin")


@router.get("/tenant", tags=["tenant"], response_model=TenantRead, summary="Read the own tenant")
async def read(principal: Member, session: TenantSession) -> Tenant:
    """Return the tenant that the access token is for."""
    return await service.get_tenant(session, own(principal))


@router.patch(
    "/tenant",
    tags=["tenant"],
    response_model=TenantRead,
    summary="Rename the own tenant",
)
async def update(principal: TenantAdmin, session: TenantSession, data: TenantUpdate) -> Tenant:
    """Give the tenant another name."""
    return await service.rename_tenant(session, own(principal), data.name)


@router.get("/tenants", tags=["tenants"], dependencies=[platform_admin], summary="List tenants")
async def list_all(session: PlatformSession, page: PageDep) -> Page[TenantRead]:
    """Return a page of all tenants, newest first."""
    tenants, next_cursor = await service.list_tenants(session, page)
    items = [TenantRead.model_validate(tenant) for tenant in tenants]
    return Page(items=items, next_cursor=next_cursor)


@router.post(
    "/tenants",
    tags=["tenants"],
    dependencies=[platform_admin],
    status_code=201,
    response_model=TenantRead,
    responses=problem_responses(409),
    summary="Create a tenant",
)
async def create(session: PlatformSession, data: TenantCreate) -> Tenant:
    """Add a tenant; its people come in with tokens that name its id."""
    return await service.create_tenant(session, data)


@router.post(
    "/tenants/{tenant_id}/deactivate",
    tags=["tenants"],
    dependencies=[platform_admin],
    response_model=TenantRead,
    responses=problem_responses(404),
    summary="Keep a tenant's people out",
)
async def deactivate(session: PlatformSession, tenant_id: UUID) -> Tenant:
    """Refuse every request of the tenant from now on; its data stay."""
    return await service.switch_tenant(session, tenant_id, active=False)


@router.post(
    "/tenants/{tenant_id}/activate",
    tags=["tenants"],
    dependencies=[platform_admin],
    response_model=TenantRead,
    responses=problem_responses(404),
    summary="Let a tenant's people in again",
)
async def activate(session: PlatformSession, tenant_id: UUID) -> Tenant:
    """Serve the tenant's requests again."""
    return await service.switch_tenant(session, tenant_id, active=True)


def own(principal: Principal) -> UUID:
    """Return the caller's tenant, which a `TenantSession` has made sure of."""
    assert principal.tenant_id is not None  # noqa: S101 - for the type checker
    return principal.tenant_id
