"""Brings an update's result into the working tree and the index, so that a crash at any point is mended by the next command.

Everything was prepared in the git folder before. Writing the journal was the point of no return: from there every step can be
done again. git itself never writes to the working tree or the index here, because what a killed git leaves cannot be told apart.
"""

import shutil

from evergreen import journal as journals
from evergreen.errors import RefusedError
from evergreen.files import is_entry, place, prune, save
from evergreen.ignored import content_of
from evergreen.journal import Journal
from evergreen.keeping import FOLDER, kept_files
from evergreen.placing import place_index
from evergreen.project import Project
from evergreen.trees import Difference, differences


def go_on(project: Project, journal: Journal, interrupted: bool = False) -> None:
    """Put the prepared result in place; done again after a crash, it does what is left."""
    if project.head() != journal.head:
        raise RefusedError(
            f"An update to {journal.new} was interrupted, and HEAD has moved since, from {journal.head[:12]} to "
            f"{project.head()[:12]}. Keep what you committed on a branch (git branch mine), then: "
            f"git reset --soft {journal.head[:12]} && evergreen abort"
        )
    work, git = journals.work(project), project.git
    git.run("update-ref", journal.ref("backup"), journal.head)
    if journal.new_branch and not git.succeeds("rev-parse", "--verify", "--quiet", f"refs/heads/{journal.new_branch}"):
        git.run("update-ref", f"refs/heads/{journal.new_branch}", journal.head)
    changed = differences(git, journal.head, journal.tree)
    if interrupted:
        keep_late_edits(project, journal, changed)
    for path, difference in changed.items():
        if difference.new is None:
            save(project.top / path, work / "saved" / path)
            (project.top / path).unlink(missing_ok=True)
            prune((project.top / path).parent, project.top)
    for path in [*(path for path, difference in changed.items() if difference.new), *journal.ignored]:
        if is_entry(work / "stage" / path):
            save(project.top / path, work / "saved" / path)
            place(work / "stage" / path, project.top / path)
    kept_files(project, journal)
    place_index(project, work / "index")
    if journal.new_branch:
        git.run("symbolic-ref", "-m", f"evergreen: update to {journal.new}", "HEAD", f"refs/heads/{journal.new_branch}")
    journal.state = "applied"
    journals.write(project, journal)


def keep_late_edits(project: Project, journal: Journal, changed: dict[str, Difference]) -> None:
    """Copy aside what the team has written, between the interruption and now, into files that are about to be replaced."""
    work = journals.work(project)
    for path, difference in changed.items():
        target = project.top / path
        undone = is_entry(work / "stage" / path) if difference.new else True
        if undone and is_entry(target):
            blob = content_of(project.git, project.top, path)
            if difference.old is None or (blob != difference.old.blob and difference.old.mode != "120000"):
                aside = project.root / FOLDER / journal.keeps_in / "interrupted" / path
                if target.is_file():
                    aside.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(target, aside)
