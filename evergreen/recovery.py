"""Goes on where an interrupted command stopped. Every command that works on a project begins here."""

import contextlib
import time
from pathlib import Path

from evergreen import journal as journals
from evergreen.applying import go_on
from evergreen.errors import RefusedError
from evergreen.finishing import finish, over
from evergreen.journal import Journal
from evergreen.planning import say
from evergreen.preparing import forget_preparations
from evergreen.project import Project
from evergreen.restoring import abort

SETTLING = 2.0
"""Seconds that another git command may take to give up a lock file."""


def attend(project: Project, completing: bool = True) -> Journal | None:
    """Complete or take back an update that was interrupted, and return the journal of one that waits for the team.

    Args:
        project: locked.
        completing: whether an update that was interrupted is completed; `abort` takes it back from where it is.
    """
    journal = journals.read(project)
    if journal is None:
        clean_up(project)
        return None
    if journal.state != "applied":
        remove_stale_locks(project, journal)
    if journal.state == "aborting":
        say(f"Completing the abort of the update to {journal.new}, which was interrupted ...")
        abort(project, journal)
        return None
    if journal.state == "applying" and completing:
        say(f"Completing the update to {journal.new}, which was interrupted ...")
        go_on(project, journal, interrupted=True)
        if journal.commits and not journal.conflicts:
            finish(project, journal)
            return None
    elif journal.state in {"applied", "finishing"} and project.head() != journal.head:
        over(project, journal)  # committed: by the team itself, or by a finish that was killed right after
        return None
    elif journal.state == "finishing" and completing:
        say(f"Completing the commit of the update to {journal.new}, which was interrupted ...")
        finish(project, journal)
        return None
    return journal


def remove_stale_locks(project: Project, journal: Journal) -> None:
    """Remove the lock files that a git of ours left when it was killed. Another git's disappear while we wait."""
    common = Path(project.git.text("rev-parse", "--path-format=absolute", "--git-common-dir"))
    names = [journal.ref("backup"), journal.ref("abandoned"), "packed-refs"]
    names += [f"refs/heads/{journal.new_branch}"] if journal.new_branch else []
    locks = [common / f"{name}.lock" for name in names]
    locks += [project.git_folder / f"{name}.lock" for name in ("HEAD", journal.ref("update"))]
    locks += [project.git_folder / "index.lock"] if journal.state == "finishing" else []
    if journal.branch:
        locks.append(common / f"{journal.branch}.lock")
    deadline = time.monotonic() + SETTLING
    while any(lock.exists() for lock in locks) and time.monotonic() < deadline:
        time.sleep(0.05)
    for lock in locks:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            lock.unlink()


def clean_up(project: Project) -> None:
    """Remove what an update left that was killed before it changed anything."""
    if journals.work(project).exists():
        forget_preparations(project)
        for ref in project.git.text("for-each-ref", "--format=%(refname)", "refs/worktree/evergreen/").split():
            project.git.run("update-ref", "-d", ref)


def require_none_waiting(journal: Journal | None) -> None:
    """Refuse while an update waits for the team."""
    if journal is not None:
        raise RefusedError(
            f"The update to {journal.new} is not over. Resolve what is in conflict and run evergreen finish, "
            "or run evergreen abort."
        )


def attended(project: Project) -> Journal | None:
    """Do as `attend` for a command that only reads: without a journal or leftovers, nothing is written, not even a lock."""
    if not (journals.folder(project) / "journal.json").exists() and not journals.work(project).exists():
        return None
    with journals.locked(project) as own:
        return attend(own)
