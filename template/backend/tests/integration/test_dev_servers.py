"""The servers of the development stack, which tests use as well."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.ports import answers, any_free_port
from dev.postgres import Administrator, Postgres, PostgresError, Roles, psql
from dev.processes import command_of
from dev.redis import Redis, RedisError
from tests.servers import folder_for_servers

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
    os.kill(pid, signal.SIGKILL)
    while command_of(pid) is not None:
        time.sleep(0.01)

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


def send(port: int, command: bytes) -> bytes:
    """Send a command to a Redis and return the beginning of its answer."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(command)
        return connection.recv(100)
