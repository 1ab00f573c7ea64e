"""Ports for servers that tests start."""

import random
import socket

PORTS = range(20_000, 32_768)
"""Below the ports that Linux (from 32768) and macOS (from 49152) give to outgoing connections, of which one may take a port
between its choice and the start of the server that it was chosen for."""


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on at this moment, all different."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if len(found) == count:
            break
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))  # noqa: S104 - a trial: no server may be there
            except OSError:
                continue
        found.append(port)
    return found
