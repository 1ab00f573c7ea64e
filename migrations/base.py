"""What the template gave to the project at its present release: rendered anew, with the answers of the last commit."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from migrations.repository import git

#: This very template, at the release that is being updated to: a clone that holds the earlier ones, too.
OURSELVES = str(Path(__file__).resolve().parents[1])
#: A path that means nothing without the folder in which someone typed it; not an address (`gh:acme/template`, `git@host:path`).
RELATIVE = re.compile(r"(?![/~\\])[^:]*")
ANSWERS_FILE = ".copier-answers.yml"


def answers_of(project: Path) -> dict[str, Any]:
    """Return the answers as they were committed, `_src_path` and `_commit` among them."""
    prefix = git(project, "rev-parse", "--show-prefix")
    loaded: dict[str, Any] = yaml.safe_load(git(project, "show", f"HEAD:{prefix}{ANSWERS_FILE}"))
    return loaded


def render_base(project: Path, destination: Path, paths: list[str]) -> Path:
    """Render some files of the release that the project stands on, and return the folder.

    Args:
        project: the project, in which the answers are committed.
        destination: an empty folder.
        paths: files, and folders with `/` at their end, relative to the project.

    """
    from copier import run_copy  # noqa: PLC0415 - it takes longer to load than all else here, and few stages need it

    answers = answers_of(project)
    source, commit = answers.pop("_src_path"), answers.pop("_commit")
    run_copy(
        OURSELVES if RELATIVE.fullmatch(source) else source,
        destination,
        data={name: value for name, value in answers.items() if not name.startswith("_")},
        vcs_ref=commit,
        exclude=only(paths),
        defaults=True,
        unsafe=True,
        quiet=True,
        skip_tasks=True,
    )
    return destination


def only(paths: list[str]) -> list[str]:
    """Return exclusions, in git's form, that leave nothing but some files and folders."""
    kept = ["*"]
    for path in paths:
        folders = [f"!/{folder}/" for folder in reversed(PurePosixPath(path).parents) if folder.name]
        kept += [*folders, f"!/{path}", *([f"!/{path}**"] if path.endswith("/") else [])]
    return list(dict.fromkeys(kept))
