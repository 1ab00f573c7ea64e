"""What `make dev` writes: every line under the name of the part that it comes from; its errors."""

import os
import sys
from itertools import cycle
from pathlib import Path
from typing import Final

# Cyan, yellow, green, magenta, blue: legible on light and on dark.
COLOURS: Final = (36, 33, 32, 35, 34)
WIDTH: Final = 10
OWN: Final = "dev"


class DevError(Exception):
    """Something that the developer can put right; shown without a traceback."""


class Console:
    """Prefixes lines with names, in colour on a terminal unless NO_COLOR is set (no-color.org)."""

    def __init__(self, log: Path | None = None) -> None:
        """Look at the environment and at what standard output is.

        Args:
            log: a file for the parts' lines, which are then not printed.
        """
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log.open("w") if log is not None else None
        self._coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._colours = cycle(COLOURS)
        self._assigned: dict[str, int] = {}
        if hasattr(sys.stdout, "reconfigure"):
            # A name in unicode must not end a run on an ASCII terminal.
            sys.stdout.reconfigure(errors="replace")

    def line(self, name: str, text: str) -> None:
        """Print one line of the part called `name`, or write it to the log."""
        if self._log is not None and name != OWN:
            print(f"{name:>{WIDTH}} | {text}", file=self._log, flush=True)
            return
        if name not in self._assigned:
            self._assigned[name] = next(self._colours)
        prefix = f"{name:>{WIDTH}} | "
        if self._coloured:
            prefix = f"\x1b[{self._assigned[name]}m{prefix}\x1b[0m"
        print(prefix + text, flush=True)

    def say(self, text: str) -> None:
        """Print what `make dev` itself has to say."""
        for line in text.splitlines():
            self.line(OWN, line)

    def box(self, lines: list[str]) -> None:
        """Print lines between two rules, so that they stand out from the logs around them."""
        rule = "=" * min(78, max(len(line) for line in lines) + 4)
        inside = [f"  {line}" if line else "" for line in lines]
        print("\n".join(["", rule, *inside, rule, ""]), flush=True)
