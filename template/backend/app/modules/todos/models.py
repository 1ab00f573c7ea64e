"""The table of todos."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Text,
    false,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class Todo(Base):
    """Something that a person of a tenant wants to have done."""

    __tablename__ = "todos"
    __table_args__ = (
        # With the tenant, so that no todo can belong to a person of another one: PostgreSQL checks
        # foreign keys past the policies.
        ForeignKeyConstraint(["tenant_id", "owner_id"], ["users.tenant_id", "users.id"]),
        Index(None, "tenant_id", "owner_id"),
        CheckConstraint("char_length(title) BETWEEN 1 AND 200", name="title_length"),
        # The order in which todos are listed, page by page.
        Index(None, "tenant_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    owner_id: Mapped[UUID]
    title: Mapped[str] = mapped_column(Text)
    completed: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )
