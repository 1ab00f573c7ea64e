"""Ports of this machine."""

import socket

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port, on the loopback address and on all of them.

    Both are tried: a server that listens on all addresses would answer in our stead.
    """
    return all(_can_bind(address, port) for address in (LOOPBACK, "0.0.0.0"))  # noqa: S104 - a trial


def next_free_port(port: int, taken: frozenset[int] = frozenset()) -> int:
    """Return the first port from `port` on that is free and not among `taken`.

    Raises:
        RuntimeError: none of the next hundred is.
    """
    for candidate in range(port, min(port + 100, 65_536)):
        if candidate not in taken and is_free(candidate):
            return candidate
    raise RuntimeError(f"No port from {port} to {port + 99} is free. Stop what uses them.")


def any_free_port() -> int:
    """Return a port that the system says is free, for servers that tests start."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Tell whether something accepts connections on the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _can_bind(address: str, port: int) -> bool:
    with socket.socket() as probe:
        # Connections that have just been closed do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
