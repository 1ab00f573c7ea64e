"""One `make dev` per project at a time, and nothing left of one that was killed."""

import fcntl
import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TextIO

from dev.console import DevError

GRACE: Final = 5.0
"""Seconds that the processes of a killed run get to end by themselves."""


class RunningError(DevError):
    """Another run holds the lock."""

    def __init__(self, pid: int | None, postgres_port: int | None) -> None:
        """Tell whose it is, and where its PostgreSQL is, if it has started one."""
        super().__init__(
            f"`make dev`, or a migration, runs in this project already (pid {pid or 'unknown'}).\n"
            f"Use it, or stop it: kill {pid or 'PID'}"
        )
        self.pid = pid
        self.postgres_port = postgres_port


class Lock:
    """The file that a run holds locked, with its pid and its children's.

    The system releases the lock when the process ends, even by SIGKILL; what the file says then is
    what that run could not stop.
    """

    def __init__(self, path: Path) -> None:
        """Name the file; its folder is created on `acquire`."""
        self._path = path
        self._file: TextIO | None = None
        self._children: dict[int, str] = {}
        self._postgres_port: int | None = None

    def acquire(self) -> list[int]:
        """Take the lock, and end what a killed run has left.

        Returns:
            the pids that were ended.

        Raises:
            RunningError: another run holds it.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+")
        file.seek(0)
        text = file.read()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            other = _parse(text)
            raise RunningError(other.get("pid"), other.get("postgres_port")) from None
        self._file = file
        ended = _end(_parse(text).get("children", {}))
        self._write()
        return ended

    def add(self, pid: int) -> None:
        """Write down a child, the leader of a process group of its own."""
        self._children[pid] = started(pid)
        self._write()

    def publish(self, postgres_port: int) -> None:
        """Write down where PostgreSQL is, once it answers, for migrations beside this run."""
        self._postgres_port = postgres_port
        self._write()

    def remove(self, pid: int) -> None:
        """Forget a child that has ended."""
        if self._children.pop(pid, None) is not None:
            self._write()

    def close(self) -> None:
        """Empty the file and let go of it."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    def _write(self) -> None:
        if self._file is not None:
            self._file.truncate(0)
            content = {
                "pid": os.getpid(),
                "children": self._children,
                "postgres_port": self._postgres_port,
            }
            self._file.write(json.dumps(content))
            self._file.flush()


def started(pid: int) -> str:
    """Return when a process started, or "" if there is none: pids are used again."""
    command = ["ps", "-o", "lstart=", "-p", str(pid)]  # POSIX, and the same on Linux and macOS
    environment = {**os.environ, "LC_ALL": "C"}
    answer = subprocess.run(command, capture_output=True, check=False, text=True, env=environment)
    return answer.stdout.strip()


def signal_group(pid: int, number: int) -> bool:
    """Send a signal (0: none) to a process group; tell whether it is there."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _parse(text: str) -> dict[str, Any]:
    with suppress(ValueError):
        content = json.loads(text)
        if isinstance(content, dict):
            return content
    return {}  # empty, or cut off


def _end(children: dict[str, str]) -> list[int]:
    left = [int(pid) for pid, start in children.items() if start and started(int(pid)) == start]
    for pid in left:
        signal_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while any(signal_group(pid, 0) for pid in left) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        signal_group(pid, signal.SIGKILL)
    return left
