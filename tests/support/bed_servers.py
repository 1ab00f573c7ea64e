"""PostgreSQL, Redis and an identity provider for `bed.py`: started, harmed and mended as standard input says.

Run by a generated project's own Python, with its `backend/` on the path.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from alembic import command  # type: ignore[import-not-found]
from alembic.config import Config  # type: ignore[import-not-found]
from dev.ports import any_free_port  # type: ignore[import-not-found]
from dev.postgres import Administrator, Postgres, create_roles  # type: ignore[import-not-found]
from dev.redis import Redis  # type: ignore[import-not-found]
from tests.identity_provider import LocalProvider  # type: ignore[import-untyped]
from tests.servers import Servers, folder_for_servers, roles_for  # type: ignore[import-untyped]

TODOS = 20
NO_LIMIT = "10000000/minute"
"""Rates are counted in Redis as usual, and never reached."""


def main() -> None:
    """Start the servers, say where they are, and do what standard input says until it ends."""
    with ExitStack() as stack:
        folder: Path = stack.enter_context(folder_for_servers())
        provider = stack.enter_context(LocalProvider())
        postgres, redis = Postgres(folder / "postgres", any_free_port()), Redis(folder / "redis", any_free_port())
        for server in (postgres, redis):
            stack.callback(server.stop)
            server.start()
        stack.callback(signal_all, postgres, signal.SIGCONT)  # whoever hangs cannot be stopped
        servers = Servers(Administrator(postgres.port), roles_for("bed_test"), redis.url)
        create_roles(servers.administrator, servers.roles)
        limits = {"RATE_LIMIT_USER": NO_LIMIT, "RATE_LIMIT_ADDRESS": NO_LIMIT}
        environment = servers.environment() | limits | {"OIDC_ISSUER": provider.issuer, "SSL_CERT_DIR": str(folder)}
        os.environ.update(environment)
        command.upgrade(Config(toml_file="pyproject.toml"), "heads")
        tenant = fill(servers, provider.issuer)
        commands: dict[str, Callable[..., Any]] = {
            "postgres stop": postgres.stop,
            "postgres start": postgres.start,
            "postgres hang": lambda: signal_all(postgres, signal.SIGSTOP),
            "postgres resume": lambda: signal_all(postgres, signal.SIGCONT),
            "redis kill": lambda: (redis._process.kill(), redis._process.wait()),
            "redis start": redis.start,
            "provider stop": provider.stop,
            "provider start": provider.start,
            "provider rotate": provider.rotate_keys,
            "sql": servers.execute,
            "token": lambda claims: provider.token(
                **{"tenant_id": tenant, "subject": "alice", "roles": ["tenant-admin"]} | json.loads(claims)
            ),
        }
        answer({"environment": environment})
        for line in sys.stdin:
            words = json.loads(line)
            try:
                answer(commands[words[0]](words[1]) if words[0] in commands else commands[" ".join(words)]())
            except Exception as error:  # the test shall fail, and not the servers end
                print(json.dumps({"error": repr(error)}), flush=True)


def fill(servers: Any, issuer: str) -> str:
    """Make a tenant with an administrator and some todos; return its id."""
    made: str = servers.execute("INSERT INTO tenants (slug, name) VALUES ('acme', 'Acme') RETURNING id")
    tenant = made.splitlines()[0]
    servers.execute(
        "INSERT INTO users (tenant_id, issuer, subject, role) "  # noqa: S608 - our own values
        f"VALUES ('{tenant}', '{issuer}', 'alice', 'admin')",
        "INSERT INTO todos (tenant_id, owner_id, title) "  # noqa: S608
        f"SELECT tenant_id, id, 'Todo ' || n FROM users, generate_series(1, {TODOS}) n",
    )
    return tenant


def signal_all(postgres: Any, number: int) -> None:
    """Send a signal to PostgreSQL, if it runs, and to every process of its own."""
    if not postgres.is_running():
        return
    head = int((postgres.data / "postmaster.pid").read_text().splitlines()[0])
    lines = subprocess.run(["ps", "-eo", "pid=,ppid="], check=True, capture_output=True, text=True).stdout.splitlines()
    for pid, parent in (map(int, line.split()) for line in lines):
        if head in {pid, parent}:
            with suppress(ProcessLookupError):  # a connection's own has ended meanwhile
                os.kill(pid, number)


def answer(value: Any) -> None:
    """Say that a command is done, and what came of it; most have nothing to say."""
    print(json.dumps({"answer": value if isinstance(value, (str, dict)) else None}), flush=True)


if __name__ == "__main__":
    main()
