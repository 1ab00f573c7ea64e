"""Files that an update keeps aside, in `.evergreen/<version>/` of the project: `yours` and `template`.

The folder ignores itself, so it is never committed and no check of the project looks into it.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

from evergreen import journal as journals
from evergreen.files import present, prune
from evergreen.journal import Journal
from evergreen.planning import Plan
from evergreen.project import Project
from evergreen.trees import Entry

FOLDER = ".evergreen"
IGNORE = "# What updates kept aside. Take what you need, and delete the rest when you like.\n*\n"


def free_folder(project: Project, version: str) -> str:
    """Return a name in `.evergreen/` that no earlier update has used."""
    names = [version, *(f"{version}-{number}" for number in range(2, 1000))]
    return next(name for name in names if not (project.root / FOLDER / name).exists())


def keep(project: Project, plan: Plan, journal: Journal, write: Callable[[dict[str, Entry], Path], None]) -> None:
    """Prepare the files to keep: the team's that go, and the template's that are not put in place."""
    groups = {"yours": plan.merge.removed, "template": plan.merge.binaries | plan.ignored.unlike}
    for group, found in groups.items():
        write(found, journals.work(project) / "kept" / group)
        journal.kept += [f"{project.prefix}{FOLDER}/{journal.keeps_in}/{group}/{path}" for path in found]


def kept_files(project: Project, journal: Journal) -> None:
    """Put the kept files into the project."""
    if not journal.kept:
        return
    folder = project.root / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / ".gitignore").write_text(IGNORE, encoding="utf-8")
    prepared = journals.work(project) / "kept"
    for path in (item for group in ("yours", "template") for item in sorted((prepared / group).rglob("*"))):
        target = folder / journal.keeps_in / path.relative_to(prepared)
        if not path.is_dir() or path.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def drop_kept(project: Project, journal: Journal) -> None:
    """Remove the kept files of an update that is taken back: what they held is in its place again."""
    for name in journal.kept:
        (project.top / name).unlink(missing_ok=True)
        prune((project.top / name).parent, project.root / FOLDER)
    folder = project.root / FOLDER
    if present(folder) and [item.name for item in folder.iterdir()] in ([".gitignore"], []):
        (folder / ".gitignore").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()
