"""Todos.

Revision ID: modules0001
Revises:
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.tenancy.migrations import enable_tenant_isolation

revision: str = "modules0001"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = ("modules",)
depends_on: str | Sequence[str] | None = "platform0001"

NOW = {"server_default": sa.text("now()"), "nullable": False}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.create_table(
        "todos",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("completed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), **NOW),
        sa.Column("updated_at", sa.DateTime(timezone=True), **NOW),
        sa.PrimaryKeyConstraint("id", name="pk_todos"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_todos_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "owner_id"],
            ["users.tenant_id", "users.id"],
            name="fk_todos_tenant_id_owner_id_users",
        ),
        sa.CheckConstraint(
            "char_length(title) BETWEEN 1 AND 200", name=op.f("ck_todos_title_length")
        ),
    )
    op.create_index("ix_todos_tenant_id_owner_id", "todos", ["tenant_id", "owner_id"])
    op.create_index("ix_todos_tenant_id_created_at_id", "todos", ["tenant_id", "created_at", "id"])
    enable_tenant_isolation(op, "todos")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.drop_table("todos")
