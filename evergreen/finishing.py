"""Ends an update that is in place: commits it, once nothing is in conflict any more."""

import shutil

from evergreen import journal as journals
from evergreen.errors import RefusedError, values
from evergreen.git import zero_terminated
from evergreen.journal import Journal
from evergreen.project import Project

BACKUPS = 5
"""How many updates back the project's earlier state stays reachable by a ref."""
MARKERS = r"^(<<<<<<<|\|\|\|\|\|\|\||>>>>>>>) (yours|evergreen )"


def finish(project: Project, journal: Journal) -> str:
    """Commit an update with the team's own hooks and signature, and return the commit.

    Raises:
        RefusedError: something is unresolved, or git would not commit. The update stays as it is.
    """
    if project.head() == journal.head:
        require_resolved(project, journal)
        journal.state = "finishing"
        journals.write(project, journal)
        try:
            commit(project, journal)
        except RefusedError:
            journal.state = "applied"
            journals.write(project, journal)
            raise
    over(project, journal)
    return project.head()


def require_resolved(project: Project, journal: Journal) -> None:
    """Refuse while a file is in conflict, holds conflict markers, or was changed after it was staged."""
    git = project.git
    unmerged = sorted({field.split("\t", 1)[1] for field in git.fields("ls-files", "--unmerged", "-z")})
    if unmerged:
        raise RefusedError(
            f"Still in conflict: {values(unmerged)}. Edit each until it is right, git add it (or git rm), then: evergreen finish"
        )
    touched = [name for name in journal.conflicts if (project.top / name).is_file()]
    if touched:
        result = git.start("grep", "--cached", "-l", "-z", "-E", MARKERS, "--", *(f":(literal){name}" for name in touched))
        marked = [name.decode(errors="surrogateescape") for name in result.stdout.split(b"\0") if name]
        if marked:
            raise RefusedError(f"Conflict markers are left in {values(marked)}. Edit and git add them, then: evergreen finish")
        unstaged = [name for name in git.fields("diff", "--no-ext-diff", "-z", "--name-only") if name in touched]
        if unstaged:
            raise RefusedError(f"Changed since they were staged: {values(unstaged)}. git add them, then: evergreen finish")


def commit(project: Project, journal: Journal) -> None:
    """Commit what is staged."""
    if project.git.succeeds("diff-index", "--cached", "--quiet", "HEAD"):
        return
    result = project.git.start("commit", "--quiet", "--file=-", given=message(journal).encode(), hooks=True)
    if result.returncode:
        said = (result.stderr + result.stdout).decode(errors="replace").strip()
        raise RefusedError(f"git did not commit the update, which stays staged:\n{said}\nMend that, then: evergreen finish")


def message(journal: Journal) -> str:
    """Return the commit's message; it says where what the update removed can be found for good."""
    lines = [f"Update the template from {journal.old} to {journal.new}"]
    if journal.removed:
        lines += ["", "The template no longer has these files, which had edits. To see one:", ""]
        lines += [f"    git show {journal.head[:12]}:{name}" for name in journal.removed]
    return "\n".join(lines) + "\n"


def over(project: Project, journal: Journal) -> None:
    """Forget an update that has been committed; the state before it stays reachable for a while."""
    git = project.git
    git.run("update-ref", "-d", journal.ref("update"))
    journals.remove(project)
    shutil.rmtree(journals.work(project), ignore_errors=True)
    backups = git.text("for-each-ref", "--format=%(refname)", "refs/evergreen/backup/").split()
    oldest = sorted(backups, key=lambda ref: int(ref.rsplit("/", 1)[1]))[:-BACKUPS]
    git.run("update-ref", "-z", "--stdin", given=zero_terminated(f"delete {ref}\0" for ref in oldest))
