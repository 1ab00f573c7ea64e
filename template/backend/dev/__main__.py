"""`make dev`: the whole application on this machine, without Docker."""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path

from app import project
from dev.console import Console, DevError
from dev.environment import ELSEWHERE, ROOT, Plan, make_plan, refuse_protected, set_by_hand
from dev.lock import Lock, signal_group
from dev.ports import Ports
from dev.postgres import Postgres, PostgresError
from dev.redis import Redis, RedisError
from dev.stack import Stack

LOGINS = (
    ("alice@acme.test", "development", "administrator of Acme"),
    ("carol@globex.test", "development", "administrator of Globex"),
)
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
"""The exit status that shells give a command ended by Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    state: Path
    frontend: bool
    fresh: bool
    ready_file: Path | None
    command: Sequence[str]


def main(arguments: list[str]) -> int:
    """Run the stack; return 0 after Ctrl-C, 1 after an error, else the command's exit status."""
    parser = argparse.ArgumentParser(prog="python -m dev", description=__doc__)
    parser.add_argument("--no-frontend", action="store_true", help="serve the API only")
    parser.add_argument(
        "--ready-file",
        type=Path,
        metavar="PATH",
        help="write addresses there as JSON once all is ready",
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=ROOT / ".dev",
        metavar="DIR",
        help="where data are kept (default: .dev)",
    )
    parser.add_argument("--fresh", action="store_true", help="begin with empty data")
    parser.add_argument(
        "command",
        nargs="*",
        help="run this once all is ready, then stop; logs go to dev.log in DIR",
    )
    parsed = parser.parse_args(arguments)
    state = parsed.state.resolve()
    options = Options(
        state, not parsed.no_frontend, parsed.fresh, parsed.ready_file, parsed.command
    )
    console = Console(state / "dev.log" if options.command else None)
    try:
        status = asyncio.run(run(options, console))
    except (DevError, PostgresError, RedisError) as error:
        console.say(f"Error: {error}")
        return 1
    return 0 if status == INTERRUPTED and not options.command else status


async def run(options: Options, console: Console) -> int:
    """Run the stack until a signal, a failure, or the end of the command.

    Returns:
        the exit status.

    Raises:
        DevError, PostgresError, RedisError: a part does not start, or ends.
    """
    given = set_by_hand()
    refuse_protected(given)
    lock = Lock(options.state / "lock")
    if ended := lock.acquire():
        console.say(f"Ended what a killed run had left: pid {', '.join(map(str, ended))}.")
    # A killed run's servers, too, before ports are chosen: they would take their own.
    Postgres(options.state / "postgres", 0).stop()
    Redis(options.state / "redis", 0).stop()
    if options.fresh:
        for part in ("postgres", "redis", "provider"):
            shutil.rmtree(options.state / part, ignore_errors=True)
    for part, variable in ELSEWHERE.items():
        if given.get(variable):
            console.say(f"{variable} is set, so no {part} is started here.")
    ports = Ports(given, console.say)
    plan = make_plan(given, ports, frontend=options.frontend)
    stack = Stack(plan, options.state, console, lock, gives_up=bool(options.command))
    stopped = _stop_signal()
    try:
        if await _unless(stopped, stack.up()) is INTERRUPTED:
            return INTERRUPTED
        _announce(plan, options, console)
        if options.command:
            return await _unless(stopped, _run(options.command, plan))
        return await _unless(stopped, stack.until_one_ends())
    finally:
        console.say("Stopping ...")
        if options.ready_file:
            options.ready_file.unlink(missing_ok=True)
        await stack.down()
        ports.close()
        lock.close()
        console.say("Stopped.")


def _stop_signal() -> asyncio.Event:
    """Return an event that Ctrl-C, SIGTERM and a closed terminal set."""
    event = asyncio.Event()
    for number in STOPS:
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event


async def _unless(stopped: asyncio.Event, work: Coroutine[None, None, int]) -> int:
    """Return what the work returns, or `INTERRUPTED` when the event comes first."""
    task, signalled = asyncio.create_task(work), asyncio.create_task(stopped.wait())
    await asyncio.wait({task, signalled}, return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait({task})
    return INTERRUPTED


async def _run(command: Sequence[str], plan: Plan) -> int:
    """Run a command against the stack, with the terminal as its output; return its exit status."""
    variables = {**plan.variables, "BASE_URL": plan.page, "API_URL": plan.api}
    process = await asyncio.create_subprocess_exec(*command, env=variables, start_new_session=True)
    try:
        return await process.wait()
    finally:
        signal_group(process.pid, signal.SIGTERM)


def _announce(plan: Plan, options: Options, console: Console) -> None:
    """Print where everything is, and write it to the ready file."""
    ports = ", ".join(f"{part} {port}" for part, port in plan.ports.items())
    console.box(
        [
            f"{project.NAME} is running.",
            "",
            f"Page     {plan.page}" if options.frontend else "No page (--no-frontend)",
            f"API      {plan.api}/docs",
            *_logins(plan),
            f"Ports    {ports}",
            "",
            "Ctrl-C stops everything.",
        ]
    )
    if options.ready_file:
        logins = [{"email": email, "password": password} for email, password, _ in LOGINS]
        facts = {
            "pid": os.getpid(),
            "page": plan.page,
            "api": plan.api,
            "issuer": plan.issuer,
            "ports": dict(plan.ports),
            "logins": logins,
        }
        # Renamed into place: whoever waits for the file never reads half of it.
        temporary = options.ready_file.with_suffix(".part")
        temporary.write_text(json.dumps(facts, indent=2) + "\n")
        temporary.replace(options.ready_file)


def _logins(plan: Plan) -> list[str]:
    """Return who may log in; of a provider that is not started here only what it has to know."""
    if plan.starts("provider"):
        return [f"Log in   {email} / {password}   ({role})" for email, password, role in LOGINS]
    return [
        f"Log in   at {plan.issuer}",
        f"         where the client of the page must allow {plan.page}/auth/callback",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
