"""Tenants, their users, and the identity providers that they log in with.

Revision ID: platform0001
Revises:
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.tenancy.migrations import (
    create_entry_function,
    create_tenant_function,
    drop_entry_function,
    drop_tenant_function,
    enable_tenant_isolation,
)

revision: str = "platform0001"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = ("platform",)
depends_on: str | Sequence[str] | None = None

ID = {"server_default": sa.text("gen_random_uuid()"), "nullable": False}
NOW = {"server_default": sa.text("now()"), "nullable": False}
YES = {"server_default": sa.text("true"), "nullable": False}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid(), **ID),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), **YES),
        sa.Column("created_at", sa.DateTime(timezone=True), **NOW),
        sa.PrimaryKeyConstraint("id", name="pk_tenants"),
        sa.UniqueConstraint("slug", name="uq_tenants_slug"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), **ID),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("name", sa.Text()),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("is_active", sa.Boolean(), **YES),
        sa.Column("created_at", sa.DateTime(timezone=True), **NOW),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), **NOW),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint(
            "tenant_id", "issuer", "subject", name="uq_users_tenant_id_issuer_subject"
        ),
        sa.UniqueConstraint("tenant_id", "id", name="uq_users_tenant_id_id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_users_tenant_id_tenants"),
        sa.CheckConstraint("role IN ('member', 'admin')", name=op.f("ck_users_role_known")),
    )
    op.create_index("ix_users_tenant_id_created_at_id", "users", ["tenant_id", "created_at", "id"])
    op.create_table(
        "oauth_providers",
        sa.Column("id", sa.Uuid(), **ID),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), **YES),
        sa.PrimaryKeyConstraint("id", name="pk_oauth_providers"),
        sa.UniqueConstraint("tenant_id", "alias", name="uq_oauth_providers_tenant_id_alias"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_oauth_providers_tenant_id_tenants"
        ),
    )
    create_tenant_function(op)
    create_entry_function(op)
    enable_tenant_isolation(op, "users")
    enable_tenant_isolation(op, "oauth_providers")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    drop_entry_function(op)
    op.drop_table("oauth_providers")
    op.drop_table("users")
    op.drop_table("tenants")
    drop_tenant_function(op)
