"""The tables of users and of the identity providers that a tenant offers at login."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    func,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.identity.scopes import Role


class User(Base):
    """A person in one tenant, known by the subject that the issuer gives them.

    One person in two tenants has two rows, so that a tenant sees nothing of the other.
    """

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("tenant_id", "issuer", "subject"),
        # What tables of tenants refer to: a reference by both cannot lead into another tenant.
        UniqueConstraint("tenant_id", "id"),
        CheckConstraint("role IN ('member', 'admin')", name="role_known"),
        # The order in which users are listed, page by page.
        Index(None, "tenant_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    issuer: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    role: Mapped[Role] = mapped_column(
        Enum(
            Role,
            native_enum=False,
            create_constraint=False,
            length=16,
            values_callable=lambda roles: [role.value for role in roles],
        )
    )
    is_active: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )


class OAuthProvider(Base):
    """An identity provider, brokered by the realm, at which a tenant's people may log in.

    `alias` is the provider's name in the realm; the login passes it on as `kc_idp_hint`.
    """

    __tablename__ = "oauth_providers"
    __table_args__ = (UniqueConstraint("tenant_id", "alias"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    alias: Mapped[str] = mapped_column(Text)
    display_name: Mapped[str] = mapped_column(Text)
    is_enabled: Mapped[bool] = mapped_column(server_default=true())
