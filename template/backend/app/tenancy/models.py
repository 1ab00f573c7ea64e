"""The table of tenants."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Text, func, text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class Tenant(Base):
    """An organisation that uses the application, and whose data no other one may see.

    The only table of identity and tenancy without row-level security: it is read to find out which
    tenant a request is for. It holds nothing that belongs to a tenant's people.
    """

    __tablename__ = "tenants"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    slug: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
