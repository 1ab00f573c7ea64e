"""Who the caller is, how to log in, and logging out."""

from fastapi import APIRouter, Request, Response

from app.core.context import get_current_tenant
from app.core.errors import problem_responses
from app.core.rate_limits import LIMIT_BY_ADDRESS
from app.core.settings import get_settings
from app.identity.authentication import CurrentAuthentication
from app.identity.dependencies import CurrentUser
from app.identity.revocation import revoke
from app.identity.schemas import AuthConfig, Caller, CallerTenant
from app.identity.services import IdentityDep

router = APIRouter(prefix="/auth", tags=["auth"])


@router.get(
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


@router.get("/me", responses=problem_responses(401, 403, 429, 503), summary="Read who you are")
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


@router.post(
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
