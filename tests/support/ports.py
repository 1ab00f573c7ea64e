"""Ports for servers that tests start. Each goes to one process of this machine, since `pytest -n` runs tests in several."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import TextIO

PORTS = range(10_000, 20_000)
"""Below the ports that Linux (from 32768) and macOS (from 49152) give to outgoing connections, of which one may take a port
between its choice and the start of the server that it was chosen for; and apart from those that a generated project's own tests
choose from (20000 to 32767), which run at the same time."""

_held: dict[int, TextIO] = {}


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on at this moment, all different. No other process gets them until this one ends."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if len(found) == count:
            break
        if port not in _held and (handle := _lock(port)):
            if _is_free(port):
                _held[port] = handle
                found.append(port)
            else:
                handle.close()
    return found


def _lock(port: int) -> TextIO | None:
    """Keep other processes from choosing a port, until the handle is closed."""
    folder = Path(tempfile.gettempdir()) / f"evergreen-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    handle = (folder / str(port)).open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - a trial: no server may be there
        except OSError:
            return False
    return True
