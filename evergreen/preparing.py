"""Prepares an update's result in the git folder, where nothing of the project's is touched, up to the point of no return."""

import os
import shutil
from pathlib import Path

from evergreen import journal as journals
from evergreen.applying import go_on
from evergreen.errors import RefusedError, values
from evergreen.files import is_entry, present
from evergreen.git import Git, zero_terminated
from evergreen.journal import Journal
from evergreen.keeping import FOLDER, prepare_kept
from evergreen.merging import SUBMODULE
from evergreen.placing import index_of
from evergreen.planning import Plan
from evergreen.project import Project
from evergreen.trees import Difference, Entry, commit, differences, elsewhere


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
        keeps_in=plan.keeps_in,
        removed=sorted(plan.merge.removed),
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
    aside = project.root / FOLDER
    if present(aside) and (aside.is_symlink() or not aside.is_dir()):
        raise RefusedError(f"{aside} is where updates keep files aside, and here it is no folder. Move it elsewhere.")
    if blocked:
        raise RefusedError(
            f"The update would replace what git does not track: {values(sorted(set(blocked)))}. "
            "Move it elsewhere, or commit it, and try again."
        )
    if modules := sorted(
        path
        for path, difference in changed.items()
        if SUBMODULE in {side.mode for side in (difference.old, difference.new) if side}
    ):
        raise RefusedError(f"The update would change submodules: {values(modules)}. Move them elsewhere first: git mv")
    require_writable(project, changed)
    if hidden := sorted(project.hidden() & changed.keys()):
        raise RefusedError(
            f"git was told not to look at {values(hidden)}, which the update changes. "
            "First: git update-index --no-assume-unchanged --no-skip-worktree <file>"
        )


def require_writable(project: Project, changed: dict[str, Difference]) -> None:
    """Refuse when a folder in which files come or go cannot be written to."""
    folders = set()
    for path in changed:
        folder = (project.top / path).parent
        while not folder.is_dir():
            folder = folder.parent
        folders.add(folder)
    closed = sorted(str(folder.relative_to(project.top)) for folder in folders if not os.access(folder, os.W_OK | os.X_OK))
    if closed:
        raise RefusedError(
            f"Files in these folders cannot be replaced: {values(closed)}. Make them writable (chmod u+wx), and try again."
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
    index = index_of(project)
    shutil.copy2(index, work / "index.saved")
    shutil.copy2(index, work / "index")
    git = project.git.having(GIT_INDEX_FILE=work / "index")
    git.run("read-tree", "-i", "-m", plan.head, plan.tree)
    wanted = [path for path, difference in changed.items() if difference.new]
    check_out(git, stage, wanted)
    write_entries(project.git, plan.ignored.written, stage)
    keep(git, project, plan, journal)
    lines = [f"0 {'0' * len(plan.tree)}\t{path}" for path in plan.merge.conflicts]
    lines += [f"{stage.entry.mode} {stage.entry.blob} {stage.number}\t{stage.path}" for stage in plan.merge.stages]
    git.run("update-index", "-z", "--index-info", given=zero_terminated(lines))


def keep(git: Git, project: Project, plan: Plan, journal: Journal) -> None:
    """Prepare the files to keep: the team's that go, as they are on disk, and the template's that are not put in place."""

    def written(found: dict[str, Entry]) -> dict[str, bytes]:
        """Return what git would write into the working tree."""
        return {path: git.run("cat-file", "--filters", f"--path={path}", entry.blob) for path, entry in found.items()}

    gone = plan.merge.removed
    on_disk = {path: project.top / path for path in gone if is_entry(project.top / path)}
    lost = {path: entry for path, entry in gone.items() if path not in on_disk}
    prepare_kept(project, journal, "yours", {**on_disk, **written(lost), **plan.merge.aside})
    prepare_kept(project, journal, "template", written(plan.merge.binaries | plan.ignored.unlike))


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
