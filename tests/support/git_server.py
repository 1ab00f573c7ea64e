"""Serves a repository by git's own protocol, as a host of templates would: to everybody, read-only."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from support.ports import free_ports

PATIENCE = 60
"""Seconds for the server's start."""


@contextlib.contextmanager
def serve(repository: Path) -> Iterator[str]:
    """Serve a repository while the context lasts, and return its address."""
    (port,) = free_ports(1)
    options = ["--reuseaddr", "--export-all", "--listen=127.0.0.1", f"--port={port}", f"--base-path={repository.parent}"]
    with subprocess.Popen(["git", "daemon", *options, str(repository.parent)], stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(port, server)
            yield f"git://127.0.0.1:{port}/{repository.name}"
        finally:
            server.terminate()  # git hands it on to git-daemon


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError(f"git daemon does not answer on port {port}")
