"""Prepares an update's result in the git folder, where nothing of the project's is touched, up to the point of no return."""

import shutil
from pathlib import Path

from evergreen import journal as journals
from evergreen.applying import go_on
from evergreen.errors import RefusedError, values
from evergreen.files import present
from evergreen.git import Git, zero_terminated
from evergreen.journal import Journal
from evergreen.keeping import free_folder, keep
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
    index = index_of(project)
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
