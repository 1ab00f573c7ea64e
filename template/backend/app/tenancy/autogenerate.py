"""Lets `alembic revision --autogenerate` isolate the tenants of every new table by itself."""

from collections.abc import Iterable, Sequence
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import CreateTableOp, MigrateOperation, MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column


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
