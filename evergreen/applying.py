"""Brings an update's result into the working tree and the index, so that a crash at any point is mended by the next command.

Everything is prepared in the git folder first. Writing the journal is the point of no return: from there every step can be done
again. git itself never writes to the working tree or the index here, because what a killed git leaves cannot be told apart.
"""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from evergreen import journal as journals
from evergreen.errors import RefusedError, values
from evergreen.files import place, present, prune, save
from evergreen.git import Git, zero_terminated
from evergreen.ignored import content_of
from evergreen.journal import Journal
from evergreen.keeping import FOLDER, free_folder, keep, kept_files
from evergreen.planning import Plan
from evergreen.project import Project
from evergreen.trees import Entry, commit, elsewhere


@dataclass(frozen=True)
class Difference:
    """Two trees' entries of one path; nothing where the tree lacks it."""

    old: Entry | None
    new: Entry | None


def differences(git: Git, old: str, new: str) -> dict[str, Difference]:
    """Return the files in which two trees differ."""
    fields = iter(git.fields("diff-tree", "-r", "-z", "--no-renames", "--raw", "--no-abbrev", old, new))
    found = {}
    for about in fields:
        old_mode, new_mode, old_blob, new_blob, status = about.lstrip(":").split(" ")
        found[next(fields)] = Difference(
            None if status == "A" else Entry(old_mode, old_blob), None if status == "D" else Entry(new_mode, new_blob)
        )
    return found


def apply(project: Project, plan: Plan, branch: str | None, commits: bool) -> Journal:
    """Prepare a plan's result and put it in place.

    Raises:
        RefusedError: something in the working tree that git does not track is in the way; nothing was changed.
    """
    changed = differences(project.git, plan.head, plan.tree)
    require_room(project, changed)
    journal = Journal(
        number=next_number(project),
        state="applying",
        head=plan.head,
        branch=project.branch(),
        tree=plan.tree,
        old=plan.old,
        new=plan.new,
        new_branch=branch,
        commits=commits,
        conflicts=plan.merge.conflicts,
        ignored=sorted(plan.ignored.written),
        keeps_in=free_folder(project, plan.new),
    )
    forget_preparations(project)
    prepare(project, plan, changed, journal)
    result = commit(project.git, plan.tree, f"evergreen {plan.new}", plan.head)
    project.git.run("update-ref", journal.ref("update"), result)  # git's clean-up must not take what the journal names
    journals.write(project, journal)
    go_on(project, journal)
    return journal


def require_room(project: Project, changed: dict[str, Difference]) -> None:
    """Refuse when a new file would take the place of something that git does not track, or whose changes it does not see."""
    going = {path for path, difference in changed.items() if difference.new is None}
    blocked = []
    for path, difference in changed.items():
        target = project.top / path
        above = [project.top / parent for parent in Path(path).parents if str(parent) != "."]
        blocked += [
            name
            for folder in above
            if present(folder)
            and (folder.is_symlink() or not folder.is_dir())
            and (name := folder.relative_to(project.top).as_posix()) not in going
        ]
        if difference.old is None and present(target):
            inside = (
                [item for item in target.rglob("*") if not item.is_dir()]
                if target.is_dir() and not target.is_symlink()
                else [target]
            )
            blocked += [name for item in inside if (name := item.relative_to(project.top).as_posix()) not in going]
    if blocked:
        raise RefusedError(
            f"The update would replace what git does not track: {values(sorted(set(blocked)))}. "
            "Move it elsewhere, or commit it, and try again."
        )
    if hidden := sorted(project.hidden() & changed.keys()):
        raise RefusedError(
            f"git was told not to look at {values(hidden)}, which the update changes. "
            "First: git update-index --no-assume-unchanged --no-skip-worktree <file>"
        )


def next_number(project: Project) -> int:
    """Return a number that no update of this repository has had."""
    refs = project.git.text("for-each-ref", "--format=%(refname)", "refs/evergreen/").split()
    return max((int(ref.rsplit("/", 1)[1]) for ref in refs if ref.rsplit("/", 1)[1].isdigit()), default=0) + 1


def forget_preparations(project: Project) -> None:
    """Remove what an update that never began has left in the git folder."""
    shutil.rmtree(journals.work(project), ignore_errors=True)


def prepare(project: Project, plan: Plan, changed: dict[str, Difference], journal: Journal) -> None:
    """Write every file of the result that is new or changed, and the index, into the git folder."""
    work = journals.work(project)
    stage = work / "stage"
    stage.mkdir(parents=True)
    index = Path(project.git.text("rev-parse", "--path-format=absolute", "--git-path", "index"))
    shutil.copy2(index, work / "index.saved")
    shutil.copy2(index, work / "index")
    git = project.git.having(GIT_INDEX_FILE=work / "index")
    git.run("read-tree", "-i", "-m", plan.head, plan.tree)
    wanted = [path for path, difference in changed.items() if difference.new]
    check_out(git, stage, wanted)
    write_entries(project.git, plan.ignored.written, stage)
    keep(project, plan, journal, lambda found, target: write_entries(project.git, found, target))
    lines = [f"0 {'0' * 40}\t{path}" for path in plan.merge.conflicts]
    lines += [f"{stage.entry.mode} {stage.entry.blob} {stage.number}\t{stage.path}" for stage in plan.merge.stages]
    git.run("update-index", "-z", "--index-info", given=zero_terminated(lines))


def check_out(git: Git, folder: Path, paths: list[str]) -> None:
    """Write files of git's index into a folder, by the attributes that are in the index."""
    elsewhere(git, folder).run("checkout-index", "-z", "--stdin", given=zero_terminated(paths))


def write_entries(git: Git, found: dict[str, Entry], folder: Path) -> None:
    """Write files that are in no index into a folder."""
    if found:
        folder.mkdir(parents=True, exist_ok=True)
        own = git.having(GIT_INDEX_FILE=folder.with_name(f"{folder.name}.index"))
        lines = zero_terminated(f"{entry.mode} {entry.blob}\t{path}" for path, entry in found.items())
        own.run("update-index", "-z", "--add", "--index-info", given=lines)
        check_out(own, folder, list(found))


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
        if difference.new is None and present(project.top / path):
            save(project.top / path, work / "saved" / path)
            (project.top / path).unlink()
            prune((project.top / path).parent, project.top)
    for path in [*(path for path, difference in changed.items() if difference.new), *journal.ignored]:
        if present(work / "stage" / path):
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
        undone = present(work / "stage" / path) if difference.new else present(target)
        if undone and present(target):
            blob = content_of(project.git, project.top, path)
            if difference.old is None or (blob != difference.old.blob and difference.old.mode != "120000"):
                aside = project.root / FOLDER / journal.keeps_in / "interrupted" / path
                if target.is_file():
                    aside.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(target, aside)


def place_index(project: Project, prepared: Path) -> None:
    """Make a prepared index the project's, by git's own protocol: who creates index.lock may replace the index."""
    if not present(prepared):
        return
    index = Path(project.git.text("rev-parse", "--path-format=absolute", "--git-path", "index"))
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
