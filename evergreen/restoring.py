"""Takes an update back, whether it is half-way or in place: every file that it touched is again what it was, byte for byte."""

import shutil

from evergreen import journal as journals
from evergreen.errors import RefusedError
from evergreen.files import is_entry, place, present, prune
from evergreen.journal import Journal
from evergreen.keeping import drop_kept
from evergreen.placing import place_index
from evergreen.project import Project
from evergreen.trees import commit, differences, elsewhere, entries, temporary_index


def abort(project: Project, journal: Journal) -> str | None:
    """Take an update back.

    Returns:
        The ref that holds the files as they were before the abort, if the team had gone on working in them.

    Raises:
        RefusedError: the update has been committed.
    """
    if project.head() != journal.head:
        raise RefusedError(
            f"The update to {journal.new} has been committed, so there is nothing to abort. "
            f"Take it back with: git revert {project.head()[:12]}   (before it: {journal.head[:12]})"
        )
    if journal.state != "aborting":
        remember(project, journal)
        journal.state = "aborting"
        journals.write(project, journal)
    restore_files(project, journal)
    restore_index(project)
    restore_branch(project, journal)
    drop_kept(project, journal)
    forget(project, journal)
    abandoned = journal.ref("abandoned")
    return abandoned if project.git.succeeds("rev-parse", "--verify", "--quiet", abandoned) else None


def remember(project: Project, journal: Journal) -> None:
    """Store the working tree in a ref if it holds something that neither side of the update has: a conflict half resolved."""
    with temporary_index(elsewhere(project.git, project.top)) as git:
        git.run("read-tree", journal.tree)
        git.run("add", "--all", ".")
        tree = git.text("write-tree")
    before, after = entries(project.git, journal.head), entries(project.git, journal.tree)
    if any(entry not in (before.get(path), after.get(path)) for path, entry in entries(project.git, tree).items()):
        message = f"What the update to {journal.new} looked like when it was aborted"
        project.git.run("update-ref", journal.ref("abandoned"), commit(project.git, tree, message, journal.head))


def restore_files(project: Project, journal: Journal) -> None:
    """Remove what the update added, then move the originals back."""
    saved, stage = journals.work(project) / "saved", journals.work(project) / "stage"
    changed = differences(project.git, journal.head, journal.tree)
    added = [path for path, difference in changed.items() if difference.old is None]
    for path in [*added, *journal.ignored]:
        target = project.top / path
        # What is still staged was never put in place. An ignored file's original comes back below, over ours.
        if is_entry(target) and not is_entry(stage / path) and not is_entry(saved / path):
            if path in journal.ignored and (saved / f"{path}.restored").exists():
                continue
            target.unlink()
            prune(target.parent, project.top)
    for path in [*changed, *journal.ignored]:
        if is_entry(saved / path):
            if path in journal.ignored:
                (saved / f"{path}.restored").touch()
            place(saved / path, project.top / path)


def restore_index(project: Project) -> None:
    """Put the index back that was there before the update."""
    work = journals.work(project)
    if not present(work / "index.saved"):
        return
    if not present(work / "index.restored"):
        shutil.copy2(work / "index.saved", work / "index.unfinished")
        (work / "index.unfinished").replace(work / "index.restored")
    place_index(project, work / "index.restored")
    (work / "index.saved").unlink(missing_ok=True)


def restore_branch(project: Project, journal: Journal) -> None:
    """Check out the branch again that was there before, and remove the one that the update made."""
    if journal.new_branch is None:
        return
    if journal.branch:
        project.git.run("symbolic-ref", "HEAD", journal.branch)
    else:
        project.git.run("update-ref", "--no-deref", "HEAD", journal.head)
    # Only if it still is where the update made it: a commit there would be the team's.
    project.git.start("update-ref", "-d", f"refs/heads/{journal.new_branch}", journal.head)


def forget(project: Project, journal: Journal) -> None:
    """End an update that was taken back: no trace is left but what `remember` stored."""
    project.git.run("update-ref", "-d", journal.ref("backup"))
    project.git.run("update-ref", "-d", journal.ref("update"))
    journals.remove(project)
    shutil.rmtree(journals.work(project), ignore_errors=True)
