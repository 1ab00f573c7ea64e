"""What the database refuses by itself, whatever the application does."""

from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import ProgrammingError

from app.core.database import Database
from app.identity.models import OAuthProvider
from tests.conftest import MakeTenant
from tests.servers import Servers

# A table is safe if its one permissive policy is ours. Restrictive ones can only take rows away.
UNSAFE = """
SELECT c.relname
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT (
    c.relrowsecurity
    AND c.relforcerowsecurity
    AND a.attnotnull
    AND (
      SELECT count(*) = 1 AND bool_and(
        p.polcmd = '*' AND p.polroles = '{0}'
        AND pg_get_expr(p.polqual, c.oid) = '(tenant_id = app_current_tenant())'
        AND pg_get_expr(p.polwithcheck, c.oid) = '(tenant_id = app_current_tenant())'
      )
      FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive
    ) IS TRUE
  )
ORDER BY c.relname
"""
# A foreign key between tables of tenants' rows stays within a tenant if it refers to the tenant.
CROSSING = """
SELECT f.conrelid::regclass || '.' || string_agg(a.attname, ',')
FROM pg_constraint f
JOIN pg_attribute here ON here.attrelid = f.conrelid AND here.attname = 'tenant_id'
JOIN pg_attribute there ON there.attrelid = f.confrelid AND there.attname = 'tenant_id'
JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = ANY (f.conkey)
WHERE f.contype = 'f'
  AND NOT EXISTS (
    SELECT FROM unnest(f.conkey, f.confkey) AS pair (mine, theirs)
    WHERE pair.mine = here.attnum AND pair.theirs = there.attnum
  )
GROUP BY f.oid, f.conrelid
ORDER BY 1
"""
ISOLATED = "SELECT relname FROM pg_class WHERE relforcerowsecurity"
ENABLED = "ALTER TABLE t ENABLE ROW LEVEL SECURITY"
FORCED = "ALTER TABLE t FORCE ROW LEVEL SECURITY"
POLICY = "CREATE POLICY p ON t FOR {} USING ({}) WITH CHECK (tenant_id = app_current_tenant())"
OURS = POLICY.format("ALL", "tenant_id = app_current_tenant()")
COLUMN = "tenant_id uuid NOT NULL"


@pytest.fixture
async def database(app: FastAPI) -> Database:
    database: Database = app.state.database
    return database


@pytest.fixture
async def provider_id(database: Database, make_tenant: MakeTenant) -> tuple[UUID, UUID]:
    """A row of a tenant: the tenant's id and the row's."""
    tenant = await make_tenant()
    async with database.transaction(tenant.id) as session:
        row = OAuthProvider(tenant_id=tenant.id, alias="google", display_name="Google")
        session.add(row)
    return tenant.id, row.id


def test_every_table_of_tenants_rows_is_isolated(servers: Servers) -> None:
    unsafe = servers.execute(UNSAFE).splitlines()

    assert unsafe == [], (
        "These tables have a tenant_id and show one tenant's rows to another. "
        'Add enable_tenant_isolation(op, "<table>") to their migrations, and make it NOT NULL.'
    )


@pytest.mark.parametrize(
    ("column", "statements"),
    [
        (COLUMN, []),
        (COLUMN, [OURS]),
        (COLUMN, [ENABLED, FORCED]),
        (COLUMN, [ENABLED, OURS]),
        ("tenant_id uuid", [ENABLED, FORCED, OURS]),
        (COLUMN, [ENABLED, FORCED, POLICY.format("ALL", "true")]),
        (COLUMN, [ENABLED, FORCED, OURS.replace("FOR ALL", "FOR UPDATE")]),
        (COLUMN, [ENABLED, FORCED, OURS.replace("FOR ALL", "FOR ALL TO postgres")]),
        (COLUMN, [ENABLED, FORCED, OURS, "CREATE POLICY q ON t FOR SELECT USING (true)"]),
    ],
)
def test_a_table_that_is_not_is_found(servers: Servers, column: str, statements: list[str]) -> None:
    created = f"CREATE TABLE t (id int, {column})"

    found = servers.execute("BEGIN", created, *statements, UNSAFE, "ROLLBACK")

    assert found == "t"


def test_a_table_that_is_safe_is_not_found(servers: Servers) -> None:
    restrictive = "CREATE POLICY q ON t AS RESTRICTIVE FOR SELECT USING (true)"
    created = f"CREATE TABLE t (id int, {COLUMN})"

    found = servers.execute(
        "BEGIN", created, ENABLED, FORCED, OURS, restrictive, UNSAFE, "ROLLBACK"
    )

    assert found == ""


def test_no_row_can_refer_to_another_tenant_s(servers: Servers) -> None:
    crossing = servers.execute(CROSSING).splitlines()

    assert crossing == [], (
        "These columns can hold the id of another tenant's row, because PostgreSQL checks foreign "
        "keys past the policies. Let the key refer to (tenant_id, id), as that of todos does."
    )


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("FOREIGN KEY (u) REFERENCES users (id)", "t.u"),
        ("FOREIGN KEY (tenant_id, u) REFERENCES users (tenant_id, id)", ""),
        ("FOREIGN KEY (tenant_id) REFERENCES tenants (id)", ""),
    ],
)
def test_a_reference_across_tenants_is_found(servers: Servers, key: str, found: str) -> None:
    created = f"CREATE TABLE t ({COLUMN}, u uuid, {key})"

    assert servers.execute("BEGIN", created, CROSSING, "ROLLBACK") == found


async def test_without_a_tenant_there_are_no_rows(
    database: Database, provider_id: tuple[UUID, UUID]
) -> None:
    async with database.transaction() as session:
        tables = (await session.scalars(text(ISOLATED))).all()
        assert {"users", "oauth_providers"} <= set(tables)
        for table in tables:
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0  # noqa: S608


async def test_without_a_tenant_nothing_is_written(
    database: Database, provider_id: tuple[UUID, UUID]
) -> None:
    values = {"tenant_id": provider_id[0], "alias": "other", "display_name": "Other"}

    with pytest.raises(ProgrammingError, match="violates row-level security policy"):
        async with database.transaction() as session:
            await session.execute(insert(OAuthProvider).values(values))


async def test_a_tenant_neither_sees_nor_changes_another_s_rows(
    database: Database, provider_id: tuple[UUID, UUID], make_tenant: MakeTenant
) -> None:
    other = await make_tenant()
    async with database.transaction(other.id) as session:
        seen = await session.get(OAuthProvider, provider_id[1])
        changed = await session.execute(
            update(OAuthProvider).values(alias="x").returning(OAuthProvider.id)
        )

    assert seen is None
    assert changed.all() == []


async def test_a_row_cannot_be_given_to_another_tenant(
    database: Database, provider_id: tuple[UUID, UUID], make_tenant: MakeTenant
) -> None:
    tenant_id, row_id = provider_id
    other = await make_tenant()

    with pytest.raises(ProgrammingError, match="violates row-level security policy"):
        async with database.transaction(tenant_id) as session:
            await session.execute(update(OAuthProvider).values(tenant_id=other.id))

    async with database.transaction(tenant_id) as session:
        owner = select(OAuthProvider.tenant_id).where(OAuthProvider.id == row_id)
        assert await session.scalar(owner) == tenant_id


async def test_a_second_transaction_of_a_session_is_the_tenant_s_too(
    database: Database, provider_id: tuple[UUID, UUID]
) -> None:
    async with database.session(provider_id[0]) as session:
        first = await session.get(OAuthProvider, provider_id[1])
        await session.rollback()
        second = await session.get(OAuthProvider, provider_id[1])

    assert first is not None
    assert second is not None


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE oauth_providers DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE oauth_providers NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY tenant_isolation ON oauth_providers",
        "DROP TABLE oauth_providers",
        "TRUNCATE oauth_providers",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE OR REPLACE FUNCTION app_current_tenant() RETURNS uuid LANGUAGE sql RETURN NULL",
        "ALTER ROLE CURRENT_USER BYPASSRLS",
        "SET SESSION AUTHORIZATION postgres",
        "DO $$ BEGIN EXECUTE 'SET ROLE ' || replace(current_user, '_app', '_owner'); END $$",
    ],
)
async def test_the_application_s_role_cannot_help_itself(
    database: Database, statement: str
) -> None:
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        async with database.transaction() as session:
            await session.execute(text(statement))


def test_neither_role_is_above_row_level_security(servers: Servers) -> None:
    names = f"'{servers.roles.owner}', '{servers.roles.app}'"
    query = (
        "SELECT count(*) FROM pg_roles WHERE (rolsuper OR rolbypassrls OR rolcreaterole "  # noqa: S608
        f"OR rolcreatedb OR rolreplication) AND rolname IN ({names})"
    )

    assert servers.execute(query) == "0"


def test_the_owner_sees_no_tenant_s_rows_either(
    servers: Servers, provider_id: tuple[UUID, UUID]
) -> None:
    role = f"SET ROLE {servers.roles.owner}"

    assert servers.execute(role, "SELECT count(*) FROM oauth_providers") == "0"
