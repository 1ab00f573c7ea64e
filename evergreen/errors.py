"""What a user is told when a command does not do what was asked."""

CLEAN, CONFLICTS, REFUSED = 0, 1, 2
"""Exit statuses of every command that changes a project. `check` and `doctor` give 1 another meaning; see there."""


class RefusedError(Exception):
    """The command stops. The message states the fact, the values and the way out, and is shown without a traceback."""


class GitError(RefusedError):
    """A git command failed; the message holds the command and what git said."""


def values(names: list[str], shown: int = 8) -> str:
    """Join names for a message, the first few of many."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
