"""Which process listens on a port, so that an error can name it."""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
LISTEN: Final = "0A"  # TCP_LISTEN in Linux's include/net/tcp_states.h


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
