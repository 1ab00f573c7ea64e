"""Makes a prepared index the project's, as git itself would, but so that a lock file left behind is known to be ours."""

import os
import time
from pathlib import Path

from evergreen import journal as journals
from evergreen.errors import RefusedError
from evergreen.files import present
from evergreen.project import Project


def index_of(project: Project) -> Path:
    """Return the project's index; a linked worktree has its own."""
    return Path(project.git.text("rev-parse", "--path-format=absolute", "--git-path", "index"))


def place_index(project: Project, prepared: Path) -> None:
    """Make a prepared index the project's, by git's own protocol: who creates index.lock may replace the index."""
    if not present(prepared):
        return
    index = index_of(project)
    lock = index.with_name(f"{index.name}.lock")
    if present(index) and prepared.samefile(index):
        prepared.unlink()
        return
    if present(lock) and any(present(mine) and mine.samefile(lock) for mine in prepared.parent.glob("index*")):
        lock.unlink()  # ours, of a run that was killed between the two steps below
    prepared.with_name(f"{prepared.name}.lock").unlink(missing_ok=True)
    project.git.having(GIT_INDEX_FILE=prepared).start("update-index", "-q", "--refresh")
    deadline = time.monotonic() + journals.PATIENCE
    while True:
        try:
            link_or_copy(prepared, lock)
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                raise RefusedError(
                    f"Another git command holds {lock}. When none runs any more, delete that file, then run: evergreen doctor"
                ) from None
            time.sleep(0.05)
    lock.replace(index)
    prepared.unlink()


def link_or_copy(source: Path, target: Path) -> None:
    """Create a file with another's content, unless it exists; as the same file where the file system can."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        with target.open("xb") as stream:
            stream.write(source.read_bytes())
