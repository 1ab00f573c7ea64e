"""The servers that tests use: started for them, or given by CI; and the application as a server."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import make_url

from app import project
from dev.ports import any_free_port
from dev.postgres import Administrator, Postgres, Roles, create_roles, psql
from dev.redis import Redis

BACKEND: Final = Path(__file__).parents[1]
DATABASE: Final = "app_test"
PATIENCE: Final = 60.0
"""Seconds; far longer than anything takes, for machines that are busy with other things."""

PATIENT: Final = ("--timeout-worker-healthcheck", "30")
"""By itself uvicorn ends a worker that does not answer it within five seconds."""


@dataclass(frozen=True, slots=True)
class Servers:
    """A database with its two roles, and a Redis."""

    administrator: Administrator
    roles: Roles
    redis_url: str

    def environment(self) -> dict[str, str]:
        """Return the settings with which the application and its migrations use these servers."""
        return {
            "ENV": "test",
            "POSTGRES_HOST": self.administrator.host,
            "POSTGRES_PORT": str(self.administrator.port),
            "POSTGRES_DB": self.roles.database,
            "POSTGRES_USER": self.roles.owner,
            "POSTGRES_PASSWORD": self.roles.owner_password,
            "APP_DB_USER": self.roles.app,
            "APP_DB_PASSWORD": self.roles.app_password,
            "REDIS_URL": self.redis_url,
        }

    def execute(self, *statements: str) -> str:
        """Run statements in the test database as its administrator; return what psql prints."""
        commands = [f"--command={statement}" for statement in statements]
        stop = "--set=ON_ERROR_STOP=1"
        return psql(self.administrator, stop, "-At", *commands, database=self.roles.database)


def roles_for(database: str) -> Roles:
    """Return the roles of a test database."""
    return Roles(database, f"{database}_owner", "owner-test", f"{database}_app", "app-test")


@contextmanager
def folder_for_servers() -> Iterator[Path]:
    """Make a temporary folder. Pytest closes its own to other accounts, again in each new run."""
    with TemporaryDirectory(prefix="servers ") as directory:
        yield Path(directory)


@contextmanager
def start_servers() -> Iterator[Servers]:
    """Start a PostgreSQL and a Redis, or use those of TEST_DATABASE_URL and TEST_REDIS_URL.

    TEST_DATABASE_URL names an administrator, since tests create roles. Its database must be named
    `..._test`, and TEST_REDIS_URL must name another database than 0: a mistake in CI's settings
    must never reach data that somebody wants to keep.
    """
    database_url = os.environ.get("TEST_DATABASE_URL")
    redis_url = os.environ.get("TEST_REDIS_URL")
    with folder_for_servers() as directory, ExitStack() as started:
        if database_url:
            administrator, roles = given_database(database_url)
        else:
            postgres = Postgres(directory / "postgres", any_free_port(), durable=False)
            started.callback(postgres.stop)
            postgres.start()
            administrator, roles = Administrator(postgres.port), roles_for(DATABASE)
        create_roles(administrator, roles)
        if redis_url:
            refuse_first_database(redis_url)
        else:
            redis = Redis(directory / "redis", any_free_port(), durable=False)
            started.callback(redis.stop)
            redis.start()
            redis_url = redis.url
        yield Servers(administrator, roles, redis_url)


def given_database(text: str) -> tuple[Administrator, Roles]:
    """Return the administrator and roles of TEST_DATABASE_URL."""
    url = make_url(text)
    database = url.database or ""
    if not database.endswith("_test"):
        pytest.exit(
            f"TEST_DATABASE_URL names the database '{database}'. Tests write to it: its name must "
            "end in _test.",
            returncode=4,
        )
    administrator = Administrator(
        port=url.port or 5432,
        host=url.host or "localhost",
        user=url.username or "postgres",
        password=url.password or "",
    )
    return administrator, roles_for(database)


def refuse_first_database(text: str) -> None:
    """Refuse a TEST_REDIS_URL whose database is 0, which the application uses."""
    if (make_url(text).database or "0") == "0":
        pytest.exit(
            f"TEST_REDIS_URL names Redis database 0, which is not the tests' own. Add a number: "
            f"{text.rstrip('/').removesuffix('/0')}/15",
            returncode=4,
        )


@dataclass(frozen=True, slots=True)
class Application:
    """The application as a server, in processes of its own."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def stop(self) -> tuple[int, list[dict[str, Any]]]:
        """Stop it as an orchestrator does, and return its exit status and its log."""
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        return status, [json.loads(line) for line in lines]


@contextmanager
def serve(log: Path, *command: str, **environment: str) -> Iterator[Application]:
    """Serve by a command, such as `app` or `uvicorn`, until the block ends."""
    port = any_free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--port", str(port), *PATIENT],
            cwd=BACKEND,
            env=os.environ | {"LOG_FORMAT": "json"} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    application = Application(process, f"http://127.0.0.1:{port}", log)
    health = f"{application.url}{project.API_PREFIX}/health"
    try:
        wait_for(lambda: process.poll() is not None or get(health).is_success, log)
        assert process.poll() is None, log.read_text()
        yield application
        application.stop()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def get(url: str, **options: Any) -> httpx2.Response:
    """Ask a server, with the patience that a busy machine needs."""
    return httpx2.get(url, timeout=PATIENCE, **options)


def wait_for(condition: Callable[[], bool], log: Path | None = None) -> None:
    """Wait until something is so; an address that refuses connections is not so yet."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(httpx2.TransportError):
            if condition():
                return
        if time.monotonic() > deadline:
            raise TimeoutError(log.read_text() if log else "not so in time")
        time.sleep(0.1)


async def until(condition: Callable[[], Awaitable[object] | object]) -> None:
    """Wait until something is so, while the event loop goes on.

    Raises:
        TimeoutError: it is not so in time.
    """
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = condition()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.02)
