"""Ports of this machine: the choice of one for each part, and who holds those that are taken."""

import atexit
import fcntl
import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

from dev.console import DevError

LOOPBACK: Final = "127.0.0.1"
TRIES: Final = 100
TEST_PORTS: Final = range(20_000, 32_768)
"""Below the ports that Linux (from 32768) and macOS (from 49152) give to outgoing connections: one
of those may take a port between its choice and the start of the server that it was chosen for."""

PROC: Final = Path("/proc")
LISTEN: Final = "0A"  # TCP_LISTEN in Linux's include/net/tcp_states.h


class Ports:
    """Chooses ports, and keeps other runs on this machine from choosing the same ones."""

    def __init__(self, by_hand: Mapping[str, str], say: Callable[[str], None]) -> None:
        """Remember what was set.

        Args:
            by_hand: variables of the environment and of .env.
            say: is told of every port that is not the default one.
        """
        self._by_hand = by_hand
        self._say = say
        self._held: dict[int, TextIO] = {}

    def choose(self, variable: str, default: int) -> int:
        """Return the port for a part: as set by hand, else its default, else the next free one.

        Raises:
            DevError: it was set by hand and is taken or is no port, or none is free.
        """
        if text := self._by_hand.get(variable):
            return self._insist(variable, text)
        tried = range(default, min(default + TRIES, 65_536))
        for port in tried:
            if self._hold(port):
                if port != default:
                    self._say(f"Port {default} is taken{_by(default)}. Using {port}.")
                return port
        raise DevError(f"No port from {default} to {tried[-1]} is free. Set {variable}.")

    def close(self) -> None:
        """Let others choose these ports."""
        while self._held:
            self._held.popitem()[1].close()

    def _insist(self, variable: str, text: str) -> int:
        if not text.isdecimal() or not 1024 <= int(text) <= 65_535:
            raise DevError(f'{variable} is "{text}"; it must be a number from 1024 to 65535.')
        port = int(text)
        if not self._hold(port):
            raise DevError(
                f"Port {port} is taken{_by(port)}, and {variable} asks for it.\n"
                f"Stop that process, set {variable} to another, or unset it for the next free one."
            )
        return port

    def _hold(self, port: int) -> bool:
        if port in self._held or not is_free(port) or _answers_on_ipv6(port):
            return False
        handle = _lock(port)
        if handle is None:
            return False
        self._held[port] = handle
        return True


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port, on the loopback address and on all of them.

    Both are tried: a server that listens on all addresses would answer in our stead.
    """
    return all(_can_bind(address, port) for address in (LOOPBACK, "0.0.0.0"))  # noqa: S104 - a trial


def any_free_port() -> int:
    """Return a port for a server that a test starts; no other run gets it until this process ends.

    Raises:
        DevError: none is free.
    """
    for port in random.sample(TEST_PORTS, TRIES):
        if port not in _held_for_tests and is_free(port) and (handle := _lock(port)):
            _held_for_tests[port] = handle
            return port
    raise DevError(f"Of {TRIES} ports from {TEST_PORTS[0]} to {TEST_PORTS[-1]} none is free.")


_held_for_tests: Final[dict[int, TextIO]] = {}


@atexit.register
def _let_go() -> None:
    for handle in _held_for_tests.values():
        handle.close()


def answers(port: int) -> bool:
    """Tell whether something accepts connections on the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _lock(port: int) -> TextIO | None:
    """Tell other runs on this machine that a port is chosen, until the handle is closed."""
    folder = Path(tempfile.gettempdir()) / f"dev-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    handle = (folder / str(port)).open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # let go of when this process ends
    except BlockingIOError:
        handle.close()
        return None
    return handle


def _can_bind(address: str, port: int) -> bool:
    with socket.socket() as probe:
        # Connections that have just been closed do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def listener(port: int) -> str | None:
    """Return "pid 812 (postgres)" for the process that listens on a port, or None.

    Another user's process cannot be seen without being root.
    """
    found = _from_proc(port) if (PROC / "net" / "tcp").exists() else _from_lsof(port)
    return f"pid {found[0]} ({found[1]})" if found else None


def _from_proc(port: int) -> tuple[int, str] | None:
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for process in PROC.glob("[0-9]*") if sockets else ():
        with suppress(OSError):  # it has ended, or is another user's
            if any(str(handle.readlink()) in sockets for handle in (process / "fd").iterdir()):
                return int(process.name), (process / "comm").read_text().strip()
    return None


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()  # proc(5): 1 is local_address, 3 the state, 9 the inode
                if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(fields[9])
    return inodes


def _from_lsof(port: int) -> tuple[int, str] | None:
    lsof = shutil.which("lsof")
    if lsof is None:
        return None
    fields = subprocess.run(
        [lsof, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"],
        capture_output=True,
        check=False,
        text=True,
    ).stdout.splitlines()
    values = {field[0]: field[1:] for field in fields}
    return (int(values["p"]), values.get("c", "?")) if "p" in values else None


def _answers_on_ipv6(port: int) -> bool:
    # A browser tries ::1 first for localhost, and would reach another project's page.
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:  # OSError: no IPv6 here
        probe.settimeout(0.5)
        return probe.connect_ex(("::1", port)) == 0
    return False


def _by(port: int) -> str:
    who = listener(port)
    return f" by {who}" if who else ""
