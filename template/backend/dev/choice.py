"""The choice of a port for each part."""

import fcntl
import os
import socket
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

from dev.errors import DevError
from dev.listeners import listener
from dev.ports import is_free

TRIES: Final = 100


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
        for port in range(default, min(default + TRIES, 65_536)):
            if self._hold(port):
                if port != default:
                    self._say(f"Port {default} is taken{_by(default)}. Using {port}.")
                return port
        raise DevError(f"No port from {default} to {default + TRIES - 1} is free. Set {variable}.")

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
        folder = Path(tempfile.gettempdir()) / f"dev-ports-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = (folder / str(port)).open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return False
        self._held[port] = handle  # the system lets go of it when this process ends
        return True


def _answers_on_ipv6(port: int) -> bool:
    # A browser tries ::1 first for localhost, and would reach another project's page.
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:  # OSError: no IPv6 here
        probe.settimeout(0.5)
        return probe.connect_ex(("::1", port)) == 0
    return False


def _by(port: int) -> str:
    who = listener(port)
    return f" by {who}" if who else ""
