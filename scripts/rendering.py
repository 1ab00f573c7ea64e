"""Renders this template at a release and as it is, for comparison."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml
from copier import run_copy
from pathspec import GitIgnoreSpec
from releases import git

ANSWERS_FILE = ".copier-answers.yml"
OWNERSHIP = "docs/explanation/ownership.md"


def check_out(repository: Path, commit: str, folder: Path) -> Path:
    """Write a commit's files, without history, to a new folder."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit], cwd=repository, check=True, capture_output=True).stdout
    subprocess.run(["tar", "--extract"], cwd=folder, input=archive, check=True)
    return folder


def copy_working_tree(repository: Path, folder: Path) -> Path:
    """Copy what a commit of the working tree would hold to a new folder."""
    listing = git(repository, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in sorted(set(listing.split("\0")) - {""}):
        if (repository / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, folder / name)
    return folder


def questions(template: Path) -> dict[str, dict[str, Any]]:
    """Return a template's questions by name."""
    found: dict[str, Any] = {}
    for path in sorted((template / "questions").glob("*.yml")):
        found |= yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return {name: question for name, question in found.items() if not name.startswith("_")}


def answer_sets(asked: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the answers to render with, by a name for them: every file is in one of these projects."""
    switches = [name for name, question in asked.items() if question.get("type") == "bool"]
    return {
        "by default": {},
        "with every feature": dict.fromkeys(switches, True),
        "without any feature": dict.fromkeys(switches, False),
    }


def render(template: Path, folder: Path, answers: dict[str, Any]) -> Path:
    """Generate a project without asking.

    Raises:
        ValueError: the template refuses an answer.
    """
    run_copy(str(template), folder, data=answers, defaults=True, unsafe=True, quiet=True, overwrite=True)
    return folder


def stored_answers(project: Path) -> dict[str, Any]:
    """Return what a project's answers file holds."""
    stored = yaml.safe_load((project / ANSWERS_FILE).read_text(encoding="utf-8"))
    return {name: answer for name, answer in stored.items() if not name.startswith("_")}


def files_of(project: Path) -> dict[str, bytes]:
    """Return the content of every file of a project by relative path."""
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in sorted(project.rglob("*")) if path.is_file()}


def files_of_the_team(project: dict[str, bytes]) -> list[str]:
    """Return the files that belong to the team by the project's own page: the first pattern that matches decides."""
    rows = re.findall(r"^\| `([^`]+)` \| (\w+) \|", project[OWNERSHIP].decode(), flags=re.MULTILINE)
    specs = [(GitIgnoreSpec.from_lines([pattern]), owner) for pattern, owner in rows]
    return [path for path in project if next((owner for spec, owner in specs if spec.match_file(path)), "") == "team"]
