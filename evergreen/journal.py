"""What is known of an update that has begun to change a project, kept in its git folder until the update is over.

The journal decides what an interruption means. Without one, nothing has been changed. With one that says `applying` or
`aborting`, the next command goes on from there: every step can be done twice. With `applied`, the result is in the working tree
and waits for `finish` or `abort`; `finishing` is the same while git commits.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from evergreen.errors import RefusedError
from evergreen.project import Project

State = Literal["applying", "applied", "finishing", "aborting"]
FOLDER = "evergreen"
"""The folder's name in the project's git folder."""
FORMAT = 1
PATIENCE = 10.0
"""Seconds to wait for another evergreen, or for what a killed one has left running."""


@dataclass
class Journal:
    """One update: where it came from, where it goes, and how far it is."""

    number: int
    state: State
    head: str
    branch: str | None
    tree: str
    old: str
    new: str
    new_branch: str | None = None
    commits: bool = False
    """Whether to commit as soon as the result is in place, if nothing is in conflict."""
    conflicts: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Ignored files that the update writes."""
    keeps_in: str = ""
    """The folder of this update in `.evergreen/`: its version, with a number if an earlier update has taken that name."""
    removed: list[str] = field(default_factory=list)
    """Files with the team's edits that the update removes."""
    kept: list[str] = field(default_factory=list)
    """Files in that folder, relative to the repository."""
    format: int = FORMAT

    def ref(self, name: str) -> str:
        """Return the name of a ref of this update. `update` belongs to one worktree, the others to the repository."""
        return f"{'refs/worktree' if name == 'update' else 'refs'}/evergreen/{name}/{self.number}"


def folder(project: Project) -> Path:
    """Return where a project's journal is: in the git folder, of a linked worktree in its own."""
    return project.git_folder / FOLDER


def work(project: Project) -> Path:
    """Return where an update prepares files and keeps the originals of those that it replaces."""
    return folder(project) / "work"


def read(project: Project) -> Journal | None:
    """Return the journal of an update that is not over."""
    file = folder(project) / "journal.json"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RefusedError(
            f"{file} cannot be read: {error}. It describes an update under way; the originals of the files that it has replaced "
            f"are in {work(project) / 'saved'}. Copy back what you need, then delete {folder(project)}."
        ) from error
    if data.get("format") != FORMAT:
        raise RefusedError(f"{file} was written by another version of evergreen. Finish or abort the update with that version.")
    return Journal(**data)


def write(project: Project, journal: Journal) -> None:
    """Replace the journal in one step that a crash cannot divide."""
    file = folder(project) / "journal.json"
    temporary = file.with_suffix(".new")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(asdict(journal), stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)
    sync_folder(file.parent)


def remove(project: Project) -> None:
    """Remove the journal: the update is over."""
    (folder(project) / "journal.json").unlink(missing_ok=True)
    sync_folder(folder(project))


def sync_folder(path: Path) -> None:
    """Have the disk know of a rename."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(project: Project) -> Iterator[Project]:
    """Keep every other evergreen out of the project, and yield the project to work with.

    The lock is the kernel's, so it ends with the process; its git children inherit it, so that what a killed evergreen has left
    running ends before another begins.
    """
    folder(project).mkdir(exist_ok=True)
    descriptor = os.open(folder(project) / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RefusedError(f"Another evergreen is at work in {project.top}. Wait until it is done.") from None
                time.sleep(0.05)
        yield project.holding(descriptor)
    finally:
        os.close(descriptor)
