"""python migrations {before,after} --version V: run by Copier in a project, with Copier's own Python.

python migrations plan --from V --to V prints as JSON what the releases between two versions declare.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from packaging.version import Version

from migrations import catalogue, runner
from migrations.model import MigrationError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="migrations", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("before", "after"):
        stage = commands.add_parser(name, help=f"what a release does {name} the update merges")
        stage.add_argument("--version", type=Version, required=True)
        stage.add_argument("--hooks-only", action="store_true", help="leave moves and answers to the caller")
    plan = commands.add_parser("plan", help="what the releases between two versions declare")
    plan.add_argument("--from", dest="start", type=Version, required=True)
    plan.add_argument("--to", dest="end", type=Version, required=True)
    given = parser.parse_args(arguments)
    try:
        if given.command == "plan":
            crossed = catalogue.crossed(given.start, given.end)
            declared = catalogue.plan([catalogue.load(version) for version in crossed])
            print(json.dumps({"versions": [str(version) for version in crossed], **dataclasses.asdict(declared)}, indent=2))
        else:
            for note in runner.run(given.command, given.version, Path.cwd(), hooks_only=given.hooks_only):
                print(f"{given.version}: {note}")
    except MigrationError as error:
        print(f"evergreen: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"evergreen: {' '.join(error.cmd)} failed in {Path.cwd()}: {error.stderr.strip()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
