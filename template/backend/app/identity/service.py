"""Users: who they are at their first request, and what a tenant's administrator may change."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import event, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from app.core.database import Database
from app.core.errors import ConflictError, ForbiddenError, NotFoundError
from app.core.pagination import PageQuery, fetch_page
from app.identity.models import OAuthProvider, User
from app.identity.scopes import Role
from app.identity.tokens import AccessToken
from app.tenancy.service import Member, find_tenant_by_slug

logger = structlog.get_logger(__name__)

SEEN_INTERVAL: Final = timedelta(minutes=5)
"""How exactly `last_seen_at` is kept; a write with every request would be the price of more."""

TENANT_ADMIN_ROLE: Final = "tenant-admin"
"""The realm role of who comes as an administrator; after that the database decides."""


class UserDeactivatedError(ForbiddenError):
    """The token is good, and its owner may not use it in this tenant any longer."""

    code, title = "user-deactivated", "User deactivated"


class LastAdministratorError(ConflictError):
    """A tenant without an administrator could be helped from outside only."""

    code, title = "last-administrator", "Last administrator"


async def admit_or_register(
    session: AsyncSession, token: AccessToken, member: Member | None
) -> Member:
    """Let the token's user in, and write them down at their first request.

    Args:
        session: works for the tenant that the token names.
        token: an accepted one, with a tenant.
        member: the token's user as the tenant knows them, or None if it does not yet.

    Returns:
        The user.

    Raises:
        UserDeactivatedError: an administrator has deactivated the user.
    """
    if member is None:
        member = await _register(session, token)
    if not member.is_active:
        raise UserDeactivatedError("Your account has been deactivated. Ask an administrator.")
    now = datetime.now(UTC)
    profile = (token.email or member.email, token.name or member.name)
    if profile != (member.email, member.name) or now - member.last_seen_at > SEEN_INTERVAL:
        _update_at_commit(session, member.id, *profile, now)
    return member


async def _register(session: AsyncSession, token: AccessToken) -> Member:
    """Add a user, unless another request of theirs does so at the same moment."""
    role = Role.ADMIN if TENANT_ADMIN_ROLE in token.roles else Role.MEMBER
    statement = insert(User).values(
        tenant_id=token.tenant_id,
        issuer=token.issuer,
        subject=token.subject,
        email=token.email,
        name=token.name,
        role=role,
    )
    added = await session.scalar(statement.on_conflict_do_nothing().returning(User.id))
    if added is not None:
        logger.info("user registered", user_id=str(added), role=role.value)
    known = select(User).where(User.issuer == token.issuer, User.subject == token.subject)
    user = (await session.scalars(known)).one()
    return Member(user.id, user.email, user.name, user.role, user.is_active, user.last_seen_at)


def _update_at_commit(
    session: AsyncSession, user_id: UUID, email: str | None, name: str | None, seen: datetime
) -> None:
    """Write the profile that the provider knows, and the time, as the transaction's last statement.

    Earlier, the row would stay locked while the request goes on, and two administrators who change
    each other at the same time would wait for each other.
    """

    def write(sync_session: Session) -> None:
        sync_session.execute(
            update(User)
            .where(User.id == user_id)
            .values(email=email, name=name, last_seen_at=seen)
            .execution_options(synchronize_session=False)
        )

    event.listen(session.sync_session, "before_commit", write, once=True)


async def list_users(session: AsyncSession, query: PageQuery) -> tuple[list[User], str | None]:
    """Return a page of the tenant's users and the cursor of the next one."""
    return await fetch_page(session, select(User), User, query)


async def get_user(session: AsyncSession, user_id: UUID) -> User:
    """Return a user of the tenant.

    Raises:
        NotFoundError: there is none.
    """
    user = await session.get(User, user_id)
    if user is None:
        raise NotFoundError(f"There is no user {user_id}.")
    return user


async def change_role(session: AsyncSession, user_id: UUID, role: Role) -> User:
    """Give a user another role, which counts from their next request on.

    Raises:
        NotFoundError: there is no such user.
        LastAdministratorError: nobody would be left who administers the tenant.
    """
    return await _change(session, user_id, role=role)


async def switch_user(session: AsyncSession, user_id: UUID, *, active: bool) -> User:
    """Let a user in, or keep them out from their next request on; errors as for `change_role`."""
    return await _change(session, user_id, active=active)


async def _change(
    session: AsyncSession, user_id: UUID, *, role: Role | None = None, active: bool | None = None
) -> User:
    # The administrators' rows are locked, always in the same order, so that of two requests that
    # would each leave one administrator the second waits, and then sees what the first has done.
    is_administrator = (User.role == Role.ADMIN) & User.is_active
    administrators = set(
        await session.scalars(
            select(User.id)
            .where(is_administrator)
            .order_by(User.id)
            .with_for_update(key_share=True)
        )
    )
    user = await session.scalar(
        select(User)
        .where(User.id == user_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if user is None:
        raise NotFoundError(f"There is no user {user_id}.")
    user.role = user.role if role is None else role
    user.is_active = user.is_active if active is None else active
    if administrators == {user.id} and not (user.role is Role.ADMIN and user.is_active):
        raise LastAdministratorError(
            "This is the tenant's last active administrator. "
            "Make somebody else an administrator first."
        )
    await session.flush()
    logger.info("user changed", changed=str(user.id), role=user.role.value, active=user.is_active)
    return user


async def enabled_providers(database: Database, slug: str) -> list[OAuthProvider]:
    """Return where a tenant's people may log in besides the realm itself, by display name.

    A tenant that does not exist looks like one without providers.
    """
    async with database.transaction() as session:
        tenant = await find_tenant_by_slug(session, slug)
    if tenant is None or not tenant.is_active:
        return []
    async with database.transaction(tenant.id) as session:
        enabled = select(OAuthProvider).where(OAuthProvider.is_enabled)
        return list(await session.scalars(enabled.order_by(OAuthProvider.display_name)))
