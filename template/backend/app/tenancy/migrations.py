"""Row-level security, for migrations.

A new table with a `tenant_id` needs one line more in its migration:

    enable_tenant_isolation(op, "invoices")

Autogeneration writes that line by itself. A table without it fails the project's tests, which read
the database's catalogue.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import CreateTableOp, MigrateOperation, MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column


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


def create_entry_function(op: Executes) -> None:
    """Create the function with which a request enters a tenant, in one statement.

    It lets the running transaction work for a tenant, and returns the tenant and one of its users;
    no row if there is no such tenant, nulls if there is no such user. The steps are taken one after
    the other, which one query would not promise: the policy of `users` needs the tenant first.
    """
    op.execute(
        """
        CREATE FUNCTION app_enter_tenant(tenant uuid, user_issuer text, user_subject text)
        RETURNS TABLE (
            tenant_slug text, tenant_name text, tenant_is_active boolean,
            user_id uuid, email text, name text, role text, is_active boolean,
            last_seen_at timestamptz
        ) LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM set_config('app.current_tenant_id', tenant::text, true);
            RETURN QUERY
                SELECT t.slug, t.name, t.is_active,
                    u.id, u.email, u.name, u.role::text, u.is_active, u.last_seen_at
                FROM tenants t
                LEFT JOIN users u
                    ON u.tenant_id = t.id AND u.issuer = user_issuer AND u.subject = user_subject
                WHERE t.id = tenant;
        END $$
        """
    )


def drop_entry_function(op: Executes) -> None:
    """Undo `create_entry_function`."""
    op.execute("DROP FUNCTION app_enter_tenant(uuid, text, text)")


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


class EnableTenantIsolationOp(MigrateOperation):
    """The line `enable_tenant_isolation(op, table)` of a migration."""

    def __init__(self, table: str) -> None:
        self.table = table

    def to_diff_tuple(self) -> tuple[str, str]:
        """Return what `alembic check` reports."""
        return ("enable_tenant_isolation", self.table)


@renderers.dispatch_for(EnableTenantIsolationOp)
def render(context: AutogenContext, operation: EnableTenantIsolationOp) -> str:
    """Write the line, and the import that it needs."""
    context.imports.add("from app.tenancy.migrations import enable_tenant_isolation")
    return f'enable_tenant_isolation(op, "{operation.table}")'


def isolate_new_tables(
    _: MigrationContext, __: str | Iterable[str | None] | Sequence[str], scripts: list[Any]
) -> None:
    """Add the line for each new table of tenants' rows: Alembic's `process_revision_directives`."""
    script: MigrationScript
    for script in scripts:
        for upgrade in script.upgrade_ops_list:
            tables = [op for op in upgrade.ops if isinstance(op, CreateTableOp)]
            upgrade.ops.extend(
                EnableTenantIsolationOp(table.table_name) for table in tables if has_tenant(table)
            )


def has_tenant(table: CreateTableOp) -> bool:
    """Tell whether the rows of a new table belong to tenants."""
    columns = [column for column in table.columns if isinstance(column, Column)]
    return any(column.name == "tenant_id" for column in columns)
