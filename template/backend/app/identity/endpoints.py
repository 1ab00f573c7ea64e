"""Who the caller is, how to log in and out; and a tenant's people, for its administrators."""

from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.core.context import get_current_tenant
from app.core.errors import problem_responses
from app.core.pagination import Page, PageDep
from app.core.rate_limits import LIMIT_BY_ADDRESS
from app.core.settings import get_settings
from app.identity import oauth_endpoints, service
from app.identity.authentication import CurrentAuthentication, IdentityDep, revoke
from app.identity.dependencies import CurrentUser, require
from app.identity.models import User
from app.identity.schemas import AuthConfig, Caller, CallerTenant, UserRead, UserUpdate
from app.tenancy.dependencies import TenantSession

auth = APIRouter(prefix="/auth", tags=["auth"])
users = APIRouter(
    prefix="/users",
    tags=["users"],
    dependencies=[require("tenant/admin")],
    responses=problem_responses(401, 403, 422, 429, 503),
)


@auth.get(
    "/config",
    dependencies=[LIMIT_BY_ADDRESS],
    responses=problem_responses(429),
    summary="Read how to log in",
)
async def config(identity: IdentityDep) -> AuthConfig:
    """Return where and as which client a page logs people in; needs no token."""
    settings = identity.settings
    return AuthConfig(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        scope=settings.oidc_scope,
        project_name=get_settings().project_name,
    )


@auth.get("/me", responses=problem_responses(401, 403, 429, 503), summary="Read who you are")
async def me(principal: CurrentUser) -> Caller:
    """Return the caller, their tenant, and the scopes that count at this moment."""
    tenant = get_current_tenant()
    return Caller(
        id=principal.user_id,
        subject=principal.subject,
        email=principal.email,
        name=principal.name,
        role=principal.role,
        scopes=sorted(principal.scopes),
        tenant=CallerTenant(id=tenant.id, slug=tenant.slug, name=tenant.name) if tenant else None,
    )


@auth.post(
    "/logout",
    status_code=204,
    responses=problem_responses(401, 429, 503),
    summary="Log out",
)
async def logout(
    request: Request,
    response: Response,
    authentication: CurrentAuthentication,
    identity: IdentityDep,
) -> None:
    """Refuse the access token, and every other one of its session, from now on."""
    leeway = identity.settings.jwt_leeway_seconds
    await revoke(identity.redis, authentication.token, leeway=leeway)
    if authentication.by_cookie:
        await identity.sessions.end(request, response)


@users.get("", summary="List users")
async def list_all(session: TenantSession, page: PageDep) -> Page[UserRead]:
    """Return a page of the tenant's users, newest first."""
    found, next_cursor = await service.list_users(session, page)
    return Page(items=[UserRead.model_validate(user) for user in found], next_cursor=next_cursor)


@users.get(
    "/{user_id}",
    response_model=UserRead,
    responses=problem_responses(404),
    summary="Read a user",
)
async def read(session: TenantSession, user_id: UUID) -> User:
    """Return a user of the tenant."""
    return await service.get_user(session, user_id)


@users.patch(
    "/{user_id}",
    response_model=UserRead,
    responses=problem_responses(404, 409),
    summary="Change a user's role",
)
async def update(session: TenantSession, user_id: UUID, data: UserUpdate) -> User:
    """Make a user an administrator or a member; it counts from their next request on."""
    return await service.change_role(session, user_id, data.role)


@users.post(
    "/{user_id}/deactivate",
    response_model=UserRead,
    responses=problem_responses(404, 409),
    summary="Keep a user out",
)
async def deactivate(session: TenantSession, user_id: UUID) -> User:
    """Refuse every request of the user from now on; what they made stays."""
    return await service.switch_user(session, user_id, active=False)


@users.post(
    "/{user_id}/activate",
    response_model=UserRead,
    responses=problem_responses(404),
    summary="Let a user in again",
)
async def activate(session: TenantSession, user_id: UUID) -> User:
    """Serve the user's requests again."""
    return await service.switch_user(session, user_id, active=True)


ROUTERS: Final = (auth, users, oauth_endpoints.router)
