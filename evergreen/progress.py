"""What a person at a terminal sees while something takes long. Logs and pipes do not get it."""

import sys


def progress(message: str) -> None:
    """Say what is being waited for, if somebody watches."""
    if sys.stderr.isatty():
        print(message, file=sys.stderr, flush=True)
