"""`make dev`: the whole application on this machine, without Docker."""

import argparse
import asyncio
import sys
from pathlib import Path

from dev.console import Console
from dev.environment import ROOT
from dev.errors import DevError
from dev.postgres import PostgresError
from dev.redis import RedisError
from dev.run import INTERRUPTED, Options, run


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
