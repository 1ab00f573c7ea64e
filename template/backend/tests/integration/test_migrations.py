import asyncio
import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import render_python_code
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.operations.ops import CreateTableOp, DowngradeOps, MigrationScript, UpgradeOps
from alembic.script import ScriptDirectory
from sqlalchemy import Column, MetaData, Table, Uuid
from sqlalchemy.exc import DBAPIError

from app.tenancy.migrations import isolate_new_tables
from dev.postgres import create_roles
from tests.servers import Servers, roles_for, until

BACKEND = Path(__file__).parents[2]
DROPS = (
    "ban-drop-column",
    "ban-drop-function",
    "ban-drop-not-null",
    "ban-drop-table",
    "require-concurrent-index-deletion",
)


@pytest.fixture
def config() -> Config:
    return Config(toml_file=BACKEND / "pyproject.toml")


@pytest.fixture
def empty(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """An empty database beside the others' one, which the settings name while the test runs."""
    name = f"migrations_{servers.roles.database}"
    own = replace(servers, roles=roles_for(name))
    create_roles(own.administrator, own.roles)
    for variable, value in own.environment().items():
        monkeypatch.setenv(variable, value)
    yield own
    servers.execute(f"DROP DATABASE {name} WITH (FORCE)")


def tables(servers: Servers) -> set[str]:
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    return set(servers.execute(query).splitlines())


def test_models_and_migrations_agree(config: Config) -> None:
    command.check(config)


def test_everything_can_be_undone_and_done_again(empty: Servers, config: Config) -> None:
    command.upgrade(config, "heads")
    done = tables(empty)
    command.downgrade(config, "base")
    undone = tables(empty)
    command.upgrade(config, "heads")

    assert {"tenants", "users"} <= done
    assert undone == {"alembic_version"}
    assert tables(empty) == done
    functions = "SELECT count(*) FROM pg_proc WHERE proname = 'app_current_tenant'"
    assert empty.execute(functions) == "1"


def test_a_migration_that_fails_half_way_leaves_nothing_and_can_be_run_again(
    empty: Servers, config: Config
) -> None:
    # Rows become isolated after their table has been made: to refuse that is to fail in between.
    empty.execute(
        "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'refused on purpose'; END $$",
        "CREATE EVENT TRIGGER refuse ON ddl_command_end WHEN TAG IN ('CREATE POLICY') "
        "EXECUTE FUNCTION refuse()",
    )
    with pytest.raises(DBAPIError, match="refused on purpose"):
        command.upgrade(config, "heads")
    left = tables(empty)
    empty.execute("DROP EVENT TRIGGER refuse")
    command.upgrade(config, "heads")

    assert left <= {"alembic_version"}
    assert {"tenants", "users"} <= tables(empty)


async def wait_for_waiting(connection: asyncpg.Connection, number: int) -> None:
    """Return when so many wait for the lock that migrations take."""
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

    async def so_many_wait() -> bool:
        return bool(await connection.fetchval(waiting) == number)

    await until(so_many_wait)


async def test_those_that_migrate_at_once_wait_for_each_other(
    empty: Servers, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    at = empty.administrator
    connection = await asyncpg.connect(
        host=at.host,
        port=at.port,
        user=at.user,
        password=at.password,
        database=empty.roles.database,
    )
    # While this connection holds the lock, one process comes to wait for it, then this one.
    await connection.execute("SELECT pg_advisory_lock(hashtext('alembic'))")
    command_line = [sys.executable, "-m", "alembic", "upgrade", "heads"]
    other = await asyncio.create_subprocess_exec(*command_line, cwd=BACKEND, stderr=subprocess.PIPE)
    await wait_for_waiting(connection, 1)
    own = asyncio.create_task(asyncio.to_thread(command.upgrade, config, "heads"))
    await wait_for_waiting(connection, 2)
    assert tables(empty) == set()
    await connection.close()
    await own
    _, output = await other.communicate()

    assert other.returncode == 0, output
    assert b"Running upgrade" in output
    assert "Running upgrade" not in caplog.text
    assert "users" in tables(empty)


def test_platform_and_modules_are_branches_of_their_own(config: Config) -> None:
    scripts = ScriptDirectory.from_config(config)
    folders = set()

    for revision in scripts.walk_revisions():
        folder = Path(revision.path).parent.name
        folders.add(folder)
        assert revision.branch_labels == {folder}, revision.path
        if folder == "platform":
            assert not revision.dependencies, "the platform never depends on a module"
    assert len(scripts.get_heads()) == len(folders), "a folder has one head"


@pytest.mark.parametrize("direction", ["upgrade", "downgrade"])
def test_squawk_finds_nothing_in_any_migration(
    config: Config, tmp_path: Path, direction: str
) -> None:
    for revision in ScriptDirectory.from_config(config).walk_revisions():
        sql = io.StringIO("BEGIN;\n")
        sql.seek(0, io.SEEK_END)
        options = {"as_sql": True, "literal_binds": True, "output_buffer": sql}
        context = MigrationContext.configure(dialect_name="postgresql", opts=options)
        with Operations.context(context):
            getattr(revision.module, direction)()
        file = tmp_path / f"{revision.revision}.sql"
        file.write_text(sql.getvalue() + "COMMIT;\n")
    # Dropping what the upgrade has made is what a downgrade is for.
    allowed = [f"--exclude={rule}" for rule in DROPS] if direction == "downgrade" else []
    squawk = Path(sys.executable).parent / "squawk"
    # Alembic's own table of versions, and enumerations kept as text, have a VARCHAR.
    ours = ["--pg-version=15.0", "--exclude=prefer-text-field"]

    found = subprocess.run(
        [squawk, *ours, *allowed, *tmp_path.glob("*.sql")],
        capture_output=True,
        check=False,
        cwd=BACKEND,
        text=True,
    )

    assert found.returncode == 0, found.stdout


def test_all_of_it_can_be_had_as_sql() -> None:
    sql = io.StringIO()

    config = Config(toml_file=BACKEND / "pyproject.toml", output_buffer=sql)
    command.upgrade(config, "heads", sql=True)

    assert sql.getvalue().count("BEGIN;") == sql.getvalue().count("COMMIT;") == 1
    assert "INSERT INTO alembic_version" in sql.getvalue()


def test_a_new_table_of_tenants_rows_is_isolated_by_its_migration() -> None:
    metadata = MetaData()
    invoices = Table("invoices", metadata, Column("id", Uuid), Column("tenant_id", Uuid))
    currencies = Table("currencies", metadata, Column("id", Uuid))
    created = [CreateTableOp.from_table(table) for table in (invoices, currencies)]
    upgrade = UpgradeOps(created)
    script = MigrationScript("id", upgrade, DowngradeOps([]))

    isolate_new_tables(MigrationContext.configure(dialect_name="postgresql"), "head", [script])
    code = render_python_code(upgrade)

    assert 'enable_tenant_isolation(op, "invoices")' in code
    assert "op.create_table('currencies'" in code
    assert 'enable_tenant_isolation(op, "currencies")' not in code
