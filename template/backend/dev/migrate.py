"""Alembic on the development database: `make migrate`, `make migration`, and a step of `make dev`.

Takes Alembic's arguments. The database is the one that settings name; without such a setting it is
this project's own, in .dev/: that of a running `make dev`, or else started for the command alone.
Alembic by itself would look at the default port, where another project's server may be.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from alembic.config import CommandLine
from sqlalchemy.exc import DBAPIError

from app.tenancy import seed
from dev.console import DevError
from dev.environment import ROOT, database_roles, refuse_protected, set_by_hand
from dev.lock import Lock, RunningError
from dev.ports import LOOPBACK, any_free_port
from dev.postgres import Postgres, PostgresError

BY_HAND: Final = ("MIGRATION_DATABASE_URL", "DATABASE_URL", "POSTGRES_HOST", "POSTGRES_PORT")


def main(arguments: list[str]) -> int:
    """Run Alembic; return 0, or 1 after an error that has been told."""
    parser = argparse.ArgumentParser("python -m dev.migrate", add_help=False, allow_abbrev=False)
    parser.add_argument("--seed", action="store_true")  # in one process: importing takes longest
    parser.add_argument("--state", type=Path, default=ROOT / ".dev")
    own, for_alembic = parser.parse_known_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        with _database(own.state.resolve(), set_by_hand()) as variables:
            os.environ |= variables
            CommandLine(prog="python -m dev.migrate").main(for_alembic)
            if own.seed:
                seed.main()
    except (DevError, PostgresError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def _database(state: Path, given: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Have a database while the block runs; yields the variables that say where it is.

    Raises:
        DevError, PostgresError: there is none.
    """
    if by_hand := [name for name in BY_HAND if given.get(name)]:
        if "DATABASE_URL" in by_hand and "MIGRATION_DATABASE_URL" not in by_hand:
            raise DevError(
                "DATABASE_URL is set, and MIGRATION_DATABASE_URL is not: migrations would go to "
                "another database than the application. Set both."
            )
        with _named(by_hand):
            yield {}
        return
    refuse_protected(given)
    lock = Lock(state / "lock")
    try:
        lock.acquire()
    except RunningError as running:
        if running.postgres_port is None:
            raise DevError(
                f"{running}\nIts PostgreSQL does not answer yet: try again in a moment."
            ) from None
        yield _at(running.postgres_port)
        return
    server = Postgres(state / "postgres", any_free_port())
    with closing(lock):
        try:
            server.start()
            server.create_roles(database_roles())
            yield _at(server.port)
        finally:
            server.stop()


@contextmanager
def _named(variables: list[str]) -> Iterator[None]:
    """Say whose fault it is when a server that was set by hand is away or lets nobody in."""
    try:
        yield
    except (OSError, DBAPIError) as error:
        if isinstance(error, DBAPIError) and error.statement is not None:
            raise  # a migration's fault
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise DevError(
            f"PostgreSQL cannot be used: {reason}\n"
            f"Its address is set by {' and '.join(variables)} (environment or .env). "
            "Start it there, or unset that to use this project's own."
        ) from None


def _at(port: int) -> dict[str, str]:
    return {"POSTGRES_HOST": LOOPBACK, "POSTGRES_PORT": str(port)}


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)  # as shells have it; on the way out the server is stopped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
