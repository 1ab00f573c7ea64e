"""The command line: one subcommand per module of `commands`, and what all of them do with a failure."""

import errno
import io
import os
import sys
import traceback

from plumbum import cli, local

from evergreen.commands.abort import Abort
from evergreen.commands.check import Check
from evergreen.commands.doctor import Doctor
from evergreen.commands.finish import Finish
from evergreen.commands.new import New
from evergreen.commands.preview import Preview
from evergreen.commands.update import Update
from evergreen.errors import REFUSED, RefusedError
from evergreen.git import PRIVATE
from evergreen.origin import version

OF_THE_MACHINE = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO])
"""Faults that are no mistake of the command's: a full disk, a file that may not be written."""
INTERRUPTED = 130
"""What a shell gives for a command that was stopped by Ctrl-C."""


class Evergreen(cli.Application):  # type: ignore[misc, unused-ignore]
    """Generate a project from the template, and keep it current without losing an edit."""

    PROGNAME = "evergreen"
    VERSION = version()

    def main(self, *arguments: str) -> int:
        """Show the help when no command was given."""
        if arguments:
            print(f"There is no command {arguments[0]}. evergreen --help lists them.", file=sys.stderr)
            return REFUSED
        if self.nested_command is None:
            self.help()
            return REFUSED
        return 0


for name, command in {
    "new": New,
    "check": Check,
    "preview": Preview,
    "update": Update,
    "finish": Finish,
    "abort": Abort,
    "doctor": Doctor,
}.items():
    Evergreen.subcommand(name, command)


def main(arguments: list[str] | None = None) -> int:
    """Run a command line, by default the process', and return the exit status."""
    for variable in PRIVATE:  # Copier's own calls of git would follow them into another repository
        os.environ.pop(variable, None)
        if variable in local.env:
            del local.env[variable]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be in no encoding
    try:
        return int(Evergreen.run(["evergreen", *(sys.argv[1:] if arguments is None else arguments)], exit=False)[1] or 0)
    except RefusedError as error:
        print(error, file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("Stopped. If the update had begun to change files, the next evergreen command completes it.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
            print(
                f"{error.strerror}: {error.filename or 'a file'}. Mend that. If an update had begun to change files, the next "
                "evergreen command completes it, and evergreen abort takes it back; else the project is as it was.",
                file=sys.stderr,
            )
            return REFUSED
        if os.environ.get("EVERGREEN_TRACEBACK"):
            traceback.print_exc()
        print(
            f"evergreen failed unexpectedly ({type(error).__name__}: {error}). evergreen doctor says how the project is. "
            "To report this, run the command again with EVERGREEN_TRACEBACK=1.",
            file=sys.stderr,
        )
        return REFUSED
