"""Row-level security, for migrations.

A new table with a `tenant_id` needs one line more in its migration:

    enable_tenant_isolation(op, "invoices")

Autogeneration writes that line by itself. A table without it fails the project's tests, which read
the database's catalogue.
"""

from typing import Protocol


class Executes(Protocol):
    """Alembic's `op`."""

    def execute(self, sqltext: str) -> None:
        """Run a statement, or print it when migrating offline."""


def create_tenant_function(op: Executes) -> None:
    """Create the function that says which tenant the running transaction works for.

    It returns NULL when none is set, and nothing equals NULL: no tenant, no rows. The setting is
    gone at the transaction's end, and reads as an empty string from then on, not as NULL.
    """
    op.execute(
        "CREATE FUNCTION app_current_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE "
        "RETURN nullif(current_setting('app.current_tenant_id', true), '')::uuid"
    )


def drop_tenant_function(op: Executes) -> None:
    """Undo `create_tenant_function`."""
    op.execute("DROP FUNCTION app_current_tenant()")


def enable_tenant_isolation(op: Executes, table: str) -> None:
    """Let a table's rows be seen and written only for the tenant of the running transaction.

    FORCE binds the table's owner as well, so that a migration or a script that forgets the tenant
    sees nothing rather than everything.

    Args:
        op: Alembic's operations.
        table: a table with a column `tenant_id`.
    """
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY tenant_isolation ON {table} FOR ALL "
        "USING (tenant_id = app_current_tenant()) WITH CHECK (tenant_id = app_current_tenant())"
    )


def disable_tenant_isolation(op: Executes, table: str) -> None:
    """Undo `enable_tenant_isolation`, for a downgrade that keeps the table."""
    op.execute(f"DROP POLICY tenant_isolation ON {table}")
    op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
