"""The types of metrics, and their text. Import the types from here: they add up over workers.

prometheus_client's multiprocess mode leaves three things to its user: the folder in which workers
keep their numbers has to be there before a metric is made, to be empty when a server starts, and
the gauges of a worker that has died have to be dropped. Here each server (the process that has
started the workers) has a folder of its own, named after its process id and start time, and those
of servers that are gone are removed. So no order of starting is needed, and no clean-up at the end.
"""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app import project

__all__ = ["Counter", "Gauge", "Histogram", "exposition"]

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"


def prepare_folder() -> Path:
    """Make this server's folder, remove those of servers that are gone, and tell prometheus_client.

    PROMETHEUS_MULTIPROC_DIR says where the folders are; by default the temporary folder.

    Raises:
        PermissionError: the folder belongs to another user, who could forge or read the numbers.
    """
    default = Path(tempfile.gettempdir()) / f"{project.SLUG}-metrics-{os.getuid()}"
    parent = Path(os.environ.get(VARIABLE) or default)
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if parent.stat().st_uid != os.getuid():
        raise PermissionError(
            f"{parent} belongs to user {parent.stat().st_uid}, and this process is user "
            f"{os.getuid()}. Remove it, or set {VARIABLE} to a folder of your own."
        )
    remove_leftovers(parent)
    server = server_pid()
    folder = parent / f"{server}-{start_time(server)}"
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ[VARIABLE] = str(folder)
    return folder


def server_pid() -> int:
    """Return the process that this server's workers have in common: uvicorn's or gunicorn's parent.

    A server with one worker and no parent is that process itself.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        return parent.pid
    return os.getppid() if "gunicorn" in sys.modules else os.getpid()


def start_time(pid: int) -> str | None:
    """Return when a process started, in whatever form the system says it, or None if it is gone.

    A process id alone does not name a server: in a container it is 1 after each restart.
    """
    if Path("/proc/self/stat").exists():
        try:
            # proc_pid_stat(5): the 22nd field; the 2nd, in parentheses, may hold spaces.
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        except OSError:
            return None
    shown = subprocess.run(  # noqa: S603 - a fixed program and a number
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return "".join(filter(str.isalnum, shown.stdout)) or None


def remove_leftovers(parent: Path) -> None:
    """Remove the folders of servers that run no more."""
    for folder in parent.iterdir():
        pid, _, started = folder.name.partition("-")
        if pid.isdecimal() and started and start_time(int(pid)) != started:
            shutil.rmtree(folder, ignore_errors=True)


def forget_dead_workers(folder: Path) -> None:
    """Drop the gauges of workers that are gone; what they have counted stays counted."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if start_time(pid) is None:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


FOLDER: Final[Path] = prepare_folder()
# prometheus_client has decided at its import whether numbers are shared; now there is a folder.
values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]


def exposition(accept: str) -> tuple[bytes, str]:
    """Return the metrics of all workers in a form that the client accepts, and its content type."""
    forget_dead_workers(FOLDER)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(FOLDER))  # type: ignore[no-untyped-call]
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
