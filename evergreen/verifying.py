"""Runs the project's own checks on an update's result, in a checkout of its own, before the project is touched."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from evergreen.errors import RefusedError
from evergreen.git import PRIVATE
from evergreen.planning import say
from evergreen.project import Project
from evergreen.scratch import check_out
from evergreen.trees import commit

DEFAULT = "make check test"
SHOWN_LINES = 40


def verify(project: Project, head: str, tree: str, command: str) -> None:
    """Run a shell command in a checkout of the result.

    Raises:
        RefusedError: it failed; the message holds the end of what it printed.
    """
    say(f"Verifying the result: {command} ...")
    with tempfile.TemporaryDirectory(prefix="evergreen-", ignore_cleanup_errors=True) as folder:
        checkout = Path(folder) / project.top.name
        check_out(project.git, commit(project.git, tree, "The update's result", head), tree, checkout)
        private = {*PRIVATE, "VIRTUAL_ENV", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"}
        environment = {name: value for name, value in os.environ.items() if name not in private}
        result = subprocess.run(  # noqa: S602  the user's own command line
            command,
            shell=True,
            cwd=checkout / project.prefix,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode:
        shown = result.stdout.decode(errors="replace").splitlines()[-SHOWN_LINES:]
        print("\n".join(shown), file=sys.stderr)
        raise RefusedError(
            f"The updated project's checks fail (`{command}` ended with {result.returncode}), so the project was left as it is. "
            "Update without --verify to mend it in place, or stay with the present version."
        )
