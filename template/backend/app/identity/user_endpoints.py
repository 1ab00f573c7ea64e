"""The people of the caller's tenant, for its administrators."""

from uuid import UUID

from fastapi import APIRouter

from app.core.errors import problem_responses
from app.core.pagination import Page, PageDep
from app.identity import service
from app.identity.dependencies import require
from app.identity.models import User
from app.identity.schemas import UserRead, UserUpdate
from app.tenancy.dependencies import TenantSession

router = APIRouter(
    prefix="/users",
    tags=["users"],
    dependencies=[require("tenant/admin")],
    responses=problem_responses(401, 403, 422, 429, 503),
)


@router.get("", summary="List users")
async def list_all(session: TenantSession, page: PageDep) -> Page[UserRead]:
    """Return a page of the tenant's users, newest first."""
    users, next_cursor = await service.list_users(session, page)
    return Page(items=[UserRead.model_validate(user) for user in users], next_cursor=next_cursor)


@router.get(
    "/{user_id}",
    response_model=UserRead,
    responses=problem_responses(404),
    summary="Read a user",
)
async def read(session: TenantSession, user_id: UUID) -> User:
    """Return a user of the tenant."""
    return await service.get_user(session, user_id)


@router.patch(
    "/{user_id}",
    response_model=UserRead,
    responses=problem_responses(404, 409),
    summary="Change a user's role",
)
async def update(session: TenantSession, user_id: UUID, data: UserUpdate) -> User:
    """Make a user an administrator or a member; it counts from their next request on."""
    return await service.change_role(session, user_id, data.role)


@router.post(
    "/{user_id}/deactivate",
    response_model=UserRead,
    responses=problem_responses(404, 409),
    summary="Keep a user out",
)
async def deactivate(session: TenantSession, user_id: UUID) -> User:
    """Refuse every request of the user from now on; what they made stays."""
    return await service.switch_user(session, user_id, active=False)


@router.post(
    "/{user_id}/activate",
    response_model=UserRead,
    responses=problem_responses(404),
    summary="Let a user in again",
)
async def activate(session: TenantSession, user_id: UUID) -> User:
    """Serve the user's requests again."""
    return await service.switch_user(session, user_id, active=True)
