"""Files that an update keeps aside, in `.evergreen/<version>/` of the project: `yours` and `template`, by path in the project.

Migrations keep theirs in the same place (`migrations/repository.py`), by plain `copier update`, too. The folder ignores itself,
so it is never committed and no check of the project looks into it.
"""

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from evergreen import journal as journals
from evergreen.files import present, prune
from evergreen.journal import Journal
from evergreen.project import Project

FOLDER = ".evergreen"
OUTSIDE = "outside-the-project"
IGNORE = "# What updates kept aside. Take what you need, and delete the rest when you like.\n*\n"


def free_folder(project: Project, version: str) -> str:
    """Return a name in `.evergreen/` that no earlier update has used."""
    names = [version, *(f"{version}-{number}" for number in range(2, 1000))]
    return next(name for name in names if not (project.root / FOLDER / name).exists())


def inside(project: Project, path: str) -> str:
    """Return a path of the repository as one of the project; the team may have moved a file out of it."""
    return path.removeprefix(project.prefix) if path.startswith(project.prefix) else f"{OUTSIDE}/{path}"


def prepare_kept(project: Project, journal: Journal, group: str, found: Mapping[str, bytes | Path]) -> None:
    """Prepare files to keep: by path in the repository, what they hold, or where that is."""
    folder = journals.work(project) / "kept" / group
    for path, content in found.items():
        name = inside(project, path)
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copy2(content, target, follow_symlinks=False)
        else:
            target.write_bytes(content)
        journal.kept.append(f"{project.prefix}{FOLDER}/{journal.keeps_in}/{group}/{name}")


def kept_files(project: Project, journal: Journal) -> None:
    """Put the kept files into the project."""
    if not journal.kept:
        return
    folder = project.root / FOLDER
    folder.mkdir(exist_ok=True)
    if not present(folder / ".gitignore"):
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
