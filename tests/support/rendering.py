"""Renders the working tree of this repository, uncommitted changes included."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from copier import run_copy

REPOSITORY = Path(__file__).parents[2]
TEMPLATE = REPOSITORY / "template"
ANSWERS_FILE = ".copier-answers.yml"


def template_sources() -> list[Path]:
    """Return what a commit of the working tree would hold, as paths relative to the repository."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [path for name in sorted(set(listing.split("\0")) - {""}) if (REPOSITORY / (path := Path(name))).is_file()]


def copy_template(destination: Path) -> Path:
    """Copy the working tree, without its history, to a folder that a test may change."""
    for path in template_sources():
        target = destination / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / path, target)
    return destination


def render(template: Path, destination: Path, ref: str | None = None, /, **answers: Any) -> Path:
    """Generate a project without asking: every answer that is not given is its default. Without a ref from the newest release."""
    run_copy(str(template), destination, vcs_ref=ref, data=answers, defaults=True, unsafe=True, quiet=True, overwrite=True)
    return destination


@cache
def questions() -> dict[str, dict[str, Any]]:
    """Return every question of `questions/` by name, settings (keys with an underscore) left out. Callers only read it."""
    merged: dict[str, dict[str, Any]] = {}
    for path in sorted((REPOSITORY / "questions").glob("*.yml")):
        merged |= yaml.safe_load(path.read_text()) or {}
    return {name: question for name, question in merged.items() if not name.startswith("_")}


def files_of(project: Path) -> dict[str, bytes]:
    """Return the content of every file of a project by relative path."""
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in sorted(project.rglob("*")) if path.is_file()}
