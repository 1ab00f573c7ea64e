"""The servers of the development stack, which tests use as well, and migrations of its database."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from dev.environment import database_roles
from dev.lock import Lock
from dev.ports import answers, any_free_port
from dev.postgres import Administrator, Postgres, PostgresError, Roles, psql
from dev.processes import command_of
from dev.redis import Redis, RedisError
from tests.servers import folder_for_servers, given_database, refuse_first_database, wait_for

BACKEND = Path(__file__).parents[2]
ROLES = Roles("my_app", "my_owner", "it's secret", "my_user", 'a "quoted" one')


@pytest.fixture
def directory() -> Iterator[Path]:
    """A folder as people have them."""
    with folder_for_servers() as folder:
        yield folder / "my projects" / "größe"


@pytest.fixture
def postgres(directory: Path) -> Iterator[Postgres]:
    server = Postgres(directory / "postgres", any_free_port(), durable=False)
    yield server
    server.stop()


@pytest.fixture
def redis(directory: Path) -> Iterator[Redis]:
    server = Redis(directory / "redis", any_free_port())
    yield server
    server.stop()


def test_postgres_keeps_its_data_and_takes_another_port(postgres: Postgres) -> None:
    postgres.start()
    for _ in range(2):
        postgres.create_roles(ROLES)
    postgres.stop()
    assert not postgres.is_running()

    moved = Postgres(postgres.directory, any_free_port())
    moved.start()
    # Left behind, as after a power cut or a killed terminal, it is found by the next start.
    postgres.start()

    assert answers(postgres.port)
    assert not answers(moved.port)
    databases = "SELECT count(*) FROM pg_database WHERE datname = 'my_app'"
    assert psql(Administrator(postgres.port), "-At", "-c", databases) == "1"


def test_a_killed_postgres_starts_again(postgres: Postgres) -> None:
    postgres.start()
    pid = int((postgres.data / "postmaster.pid").read_text().splitlines()[0])
    command = ["ps", "-A", "-o", "ppid=,pid="]
    listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    pairs = [map(int, line.split()) for line in listed]
    children = [child for parent, child in pairs if parent == pid]
    assert children
    os.kill(pid, signal.SIGKILL)
    # Its children end by themselves; PostgreSQL does not start while one still uses its memory.
    wait_for(lambda: all(command_of(each) is None for each in (pid, *children)))

    postgres.start()

    assert postgres.is_running()


def test_a_postgres_that_cannot_start_shows_its_log(postgres: Postgres) -> None:
    with (
        socket.create_server(("127.0.0.1", postgres.port)),
        pytest.raises(PostgresError, match="Address already in use"),
    ):
        postgres.start()


def test_redis_keeps_its_data_and_is_found_by_the_next_start(redis: Redis) -> None:
    redis.start()
    send(redis.port, b"SET key value\r\n")
    pid = int(redis.pid_file.read_text())

    again = Redis(redis.directory, any_free_port())
    again.start()
    try:
        assert int(again.pid_file.read_text()) != pid
        assert not answers(redis.port)
        assert b"value" in send(again.port, b"GET key\r\n")
    finally:
        again.stop()
    assert not answers(again.port)


def test_a_redis_that_cannot_start_shows_its_log(redis: Redis) -> None:
    with socket.create_server(("127.0.0.1", redis.port)) as taken:
        taken.listen()
        with pytest.raises(RedisError, match="Address already in use"):
            redis.start()


def migrate(state: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Alembic as `make migrate` does; only the given variables say where PostgreSQL is."""
    unset = {"DATABASE_URL", "MIGRATION_DATABASE_URL", "POSTGRES_HOST", "POSTGRES_PORT"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    return subprocess.run(
        [sys.executable, "-m", "dev.migrate", "--state", state, *arguments],
        capture_output=True,
        check=False,
        cwd=BACKEND,
        env=environment | variables,
        text=True,
    )


def test_without_make_dev_the_projects_own_database_is_migrated(directory: Path) -> None:
    done = migrate(directory, "upgrade", "heads")
    assert done.returncode == 0, done.stderr
    assert not Postgres(directory / "postgres", 0).is_running()
    assert "(head)" in migrate(directory, "current").stdout


def test_beside_make_dev_the_database_of_that_is_migrated(directory: Path) -> None:
    postgres = Postgres(directory / "postgres", any_free_port(), durable=False)
    with closing(Lock(directory / "lock")) as lock, ExitStack() as started:
        started.callback(postgres.stop)
        lock.acquire()
        early = migrate(directory, "current")
        assert early.returncode == 1
        assert "PostgreSQL does not answer yet" in early.stderr

        postgres.start()
        postgres.create_roles(database_roles())
        lock.publish(postgres.port)
        done = migrate(directory, "upgrade", "heads")
        assert done.returncode == 0, done.stderr
        assert answers(postgres.port)

        wrong = {"POSTGRES_PORT": str(postgres.port), "POSTGRES_PASSWORD": "wrong"}
        refused = migrate(directory, "current", **wrong)
        assert refused.stderr.startswith("Error: PostgreSQL cannot be used: ")


def test_a_database_that_is_set_by_hand_is_used_and_no_other(directory: Path) -> None:
    port = str(any_free_port())
    for variables in ({"POSTGRES_PORT": port}, {"DATABASE_URL": "postgresql://app@localhost/app"}):
        refused = migrate(directory, "current", **variables)
        assert refused.returncode == 1
        assert refused.stderr.startswith("Error: ")
        assert next(iter(variables)) in refused.stderr
        assert not directory.exists()


def send(port: int, command: bytes) -> bytes:
    """Send a command to a Redis and return the beginning of its answer."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(command)
        return connection.recv(100)


@pytest.mark.parametrize("name", ["app", "app_test2", "test", ""])
def test_a_database_that_is_not_named_for_tests_is_refused(name: str) -> None:
    with pytest.raises(pytest.exit.Exception, match="must end in _test"):
        given_database(f"postgresql://postgres:x@db:5432/{name}")


def test_a_database_that_is_named_for_tests_is_used() -> None:
    administrator, roles = given_database("postgresql://root:pass@db:6543/app_test")

    assert (administrator.user, administrator.password) == ("root", "pass")
    assert (administrator.host, administrator.port) == ("db", 6543)
    assert (roles.database, roles.app) == ("app_test", "app_test_app")


@pytest.mark.parametrize("url", ["redis://cache:6379", "redis://cache:6379/0", "redis://cache/"])
def test_the_first_redis_database_is_refused(url: str) -> None:
    with pytest.raises(pytest.exit.Exception, match=r"redis://cache.*/15"):
        refuse_first_database(url)


def test_another_redis_database_is_used() -> None:
    refuse_first_database("redis://cache:6379/15")
