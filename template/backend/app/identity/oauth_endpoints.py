"""Login for browsers that hold no token: the server fetches the tokens and keeps them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

import structlog
from fastapi import APIRouter, Query, Request, Response

from app.core.context import get_client_address
from app.core.database import Database, DatabaseDep
from app.core.errors import NotFoundError, UnauthorizedError, UnavailableError, problem_responses
from app.core.rate_limits import LIMIT_BY_ADDRESS, RateLimiterDep
from app.core.settings import get_settings
from app.identity import service
from app.identity.authentication import Identity, IdentityDep, revoke
from app.identity.login import LoginFailedError
from app.identity.provider import ProviderError, Tokens
from app.identity.schemas import CallbackQuery, LoginQuery, ProviderRead, SessionEnd
from app.identity.tokens import InvalidTokenError
from app.tenancy.schemas import Slug
from app.tenancy.service import TenantMismatchError, find_tenant_by_slug

logger = structlog.get_logger(__name__)
router = APIRouter(
    prefix="/oauth",
    tags=["oauth"],
    dependencies=[LIMIT_BY_ADDRESS],
    responses=problem_responses(422, 429),
)
NO_STORE: Final = {"Cache-Control": "no-store"}


@router.get("/providers", summary="List where a tenant's people may log in")
async def providers(database: DatabaseDep, tenant: Slug) -> list[ProviderRead]:
    """Return the identity providers that a tenant offers besides the realm's own login."""
    found = await service.enabled_providers(database, tenant)
    return [ProviderRead.model_validate(provider) for provider in found]


@router.get(
    "/login",
    status_code=303,
    response_class=Response,
    responses=problem_responses(404, 503),
    summary="Begin a login",
)
async def login(
    request: Request,
    identity: IdentityDep,
    database: DatabaseDep,
    query: Annotated[LoginQuery, Query()],
) -> Response:
    """Send the browser to the identity provider; `/oauth/callback` sends it on to `return_to`."""
    if query.provider is not None:
        offered = await service.enabled_providers(database, query.tenant or "")
        if query.provider not in {candidate.alias for candidate in offered}:
            raise NotFoundError("The tenant has no such identity provider.")
    response = Response(status_code=303, headers=NO_STORE)
    with provider_errors():
        response.headers["Location"] = await identity.login.begin(
            request,
            response,
            return_to=query.return_to,
            tenant=query.tenant,
            provider_alias=query.provider,
        )
    return response


@router.get(
    "/callback",
    status_code=303,
    response_class=Response,
    responses=problem_responses(400, 401, 403, 503),
    summary="Complete a login",
)
async def callback(
    request: Request,
    identity: IdentityDep,
    database: DatabaseDep,
    limiter: RateLimiterDep,
    query: Annotated[CallbackQuery, Query()],
) -> Response:
    """Take the browser back from the identity provider, and begin its session."""
    try:
        with provider_errors():
            pending = await identity.login.take(request, query.state, query.iss)
            if query.code is None:
                return _return_to(pending.return_to, query.error or "no_code")
            tokens, access = await identity.login.complete(pending, query.code)
    except (LoginFailedError, InvalidTokenError):
        await limiter.count_failed_authentication(get_client_address())
        raise
    await _check_tenant(database, pending.tenant, access.tenant_id)
    response = _return_to(pending.return_to)
    await identity.sessions.begin(response, tokens)
    return response


@router.post("/logout", responses=problem_responses(403, 503), summary="End the session")
async def logout(request: Request, response: Response, identity: IdentityDep) -> SessionEnd:
    """End the browser's session here, and say where it ends at the identity provider."""
    tokens = await identity.sessions.end(request, response)
    if tokens is None:
        return SessionEnd(end_session_url=None)
    # An access token that has expired needs no revocation.
    with suppress(UnauthorizedError):
        access = await identity.verify(tokens.access_token)
        await revoke(identity.redis, access, leeway=identity.settings.jwt_leeway_seconds)
    try:
        if tokens.refresh_token is not None:
            await identity.oauth.revoke(tokens.refresh_token)
        return SessionEnd(end_session_url=await _end_session_url(identity, tokens))
    except ProviderError as error:
        # The session here has ended; the provider's ends by itself when it is not used.
        logger.warning("session not ended at the identity provider", error=str(error))
        return SessionEnd(end_session_url=None)


@contextmanager
def provider_errors() -> Iterator[None]:
    """Answer with 503 when the identity provider is away: the person can only try again."""
    try:
        yield
    except ProviderError as error:
        logger.warning("login impossible", error=str(error))
        raise UnavailableError(
            "The identity provider does not answer. Try again shortly.",
            headers={"Retry-After": "5"},
        ) from error


async def _check_tenant(database: Database, slug: str | None, tenant_id: UUID | None) -> None:
    """Refuse a person who has logged in and is of another tenant than the one they asked for."""
    if slug is None:
        return
    async with database.transaction() as session:
        tenant = await find_tenant_by_slug(session, slug)
    if tenant is None or tenant.id != tenant_id:
        raise TenantMismatchError("You do not belong to the tenant that the login was for.")


async def _end_session_url(identity: Identity, tokens: Tokens) -> str | None:
    """Return OpenID Connect's RP-Initiated Logout 1.0, section 2."""
    url = (await identity.provider.metadata()).end_session
    if url is None:
        return None
    query = {
        "client_id": identity.settings.oidc_backend_client_id,
        "post_logout_redirect_uri": f"{get_settings().public_url}/",
    }
    if tokens.id_token is not None:
        query["id_token_hint"] = tokens.id_token
    return f"{url}?{urlencode(query)}"


def _return_to(path: str, error: str | None = None) -> Response:
    """Send the browser to a path of the page, with the error that the provider named, if any."""
    if error is not None:
        path += f"{'&' if '?' in path else '?'}{urlencode({'login_error': error})}"
    location = f"{get_settings().public_url}{path}"
    return Response(status_code=303, headers={**NO_STORE, "Location": location})
