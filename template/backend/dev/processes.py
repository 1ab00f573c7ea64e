"""Processes that an earlier run may have left behind."""

import subprocess
from pathlib import Path


def command_of(pid: int) -> str | None:
    """Return the command line of a process, or nothing if it has ended.

    One that has ended and that nobody has waited for yet, a zombie, has ended: it holds no port and
    no file, though signals to it seem to arrive.
    """
    if Path("/proc/self").exists():
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return None
        return arguments.replace(b"\0", b" ").decode(errors="replace").strip() or None
    ps = ["ps", "-o", "state=,args=", "-p", str(pid)]  # POSIX, for macOS
    line = subprocess.run(ps, capture_output=True, check=False, text=True).stdout.strip()
    return None if line.startswith("Z") else line.partition(" ")[2] or None
