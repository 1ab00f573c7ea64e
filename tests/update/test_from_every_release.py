"""A project of every earlier release takes the present state of the template, by plain Copier and by the companion.

The newest release is tried in every run; the earlier ones, being as many as there will be, only by `make verify`.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from check_release import SUPPORTED_FROM
from copier import run_copy, run_update
from packaging.version import Version
from support.companion import evergreen
from support.projects import clean_environment
from support.releases import History, commit_all, each_release, start_repository
from support.rendering import ANSWERS_FILE, REPOSITORY, files_of

UV = str(REPOSITORY / ".venv/bin/uv")
#: As the documentation of updates says: without it, Copier moves edits between blocks that look alike.
WHOLE_FILE = 100_000

#: What teams edit most: text after which they add something of theirs.
ADDITIONS = {
    "README.md": "\n## Our team\n\nAsk in the channel.\n",
    "AGENTS.md": "\n## Ours\n\n- Our rule.\n",
    "CHANGELOG.md": "\n- Our change.\n",
    "Makefile": "\n.PHONY: ours\nours: ## Our command\n\t@echo ours\n",
    ".env.example": "\nOUR_SETTING=1\n",
    "compose.yml": "\n# Our own note.\n",
    ".gitignore": "\n/ours/\n",
    "backend/app/modules/__init__.py": "\n# Our module goes here.\n",
    "frontend/src/modules/index.ts": "\n// Our element goes here.\n",
}
COMMANDS = {
    "backend": [UV, "add", "--frozen", "--quiet", "rich>=15"],
    "frontend": ["npm", "pkg", "set", "dependencies.zod=^4.0.0"],
}


#: Where a team that adds to the end of a file gets a conflict, by the release that it stands on: the template has changed
#: the end, too. Releases before 1.0.0 promised nothing.
CONFLICTS: dict[str, set[str]] = {}


def edit(project: Path) -> None:
    """Do to a project what its team would, in the files that teams edit most."""
    for name, text in ADDITIONS.items():
        with (project / name).open("a", encoding="utf-8") as file:
            file.write(text)
    for folder, command in COMMANDS.items():
        subprocess.run(command, cwd=project / folder, env=clean_environment(), check=True, capture_output=True)
    (project / "backend/app/modules/orders").mkdir()
    (project / "backend/app/modules/orders/models.py").write_text("# Our own file.\n")


@pytest.fixture(scope="module")
def projects(released: History, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the project of a release, rendered once. Tests only read it."""
    made: dict[str, Path] = {}

    def project(version: str) -> Path:
        if version not in made:
            made[version] = tmp_path_factory.mktemp("release") / "project"
            run_copy(str(released.folder), made[version], vcs_ref=f"v{version}", defaults=True, unsafe=True, quiet=True)
        return made[version]

    return project


def by_copier(project: Path) -> None:
    run_update(project, defaults=True, unsafe=True, quiet=True, overwrite=True, context_lines=WHOLE_FILE)


def by_companion(project: Path) -> None:
    assert evergreen(project, "update", "--trust").status in {0, 1}  # 1: conflicts


ENGINES = {"copier": by_copier, "evergreen": by_companion}


def tree(project: Path) -> dict[str, bytes]:
    return {path: content for path, content in files_of(project).items() if path.split("/")[0] not in {".git", ".evergreen"}}


@dataclass(frozen=True)
class Pair:
    """A project of an earlier release, committed, and one of the present state."""

    version: str
    project: Path
    present: Path


@pytest.fixture(params=each_release())
def pair(request: pytest.FixtureRequest, released: History, projects: Callable[[str], Path], tmp_path: Path) -> Pair:
    pair = Pair(request.param, tmp_path / "project", tmp_path / "present")
    for version, copy in ((pair.version, pair.project), (released.next, pair.present)):
        subprocess.run(["cp", "--archive", projects(version), copy], check=True)
    start_repository(pair.project)
    return pair


@pytest.mark.parametrize("update", ENGINES.values(), ids=list(ENGINES))
def test_a_project_without_edits_becomes_a_fresh_render(pair: Pair, update: Callable[[Path], None], released: History) -> None:
    update(pair.project)
    assert tree(pair.project) == tree(pair.present)
    assert f"_commit: v{released.next}" in (pair.project / ANSWERS_FILE).read_text()


@pytest.mark.parametrize("update", ENGINES.values(), ids=list(ENGINES))
def test_no_edit_of_the_files_that_teams_edit_most_is_lost(pair: Pair, update: Callable[[Path], None]) -> None:
    edit(pair.project)
    commit_all(pair.project, "Work")
    edit(pair.present)
    update(pair.project)
    updated, present = tree(pair.project), tree(pair.present)
    assert updated.keys() == present.keys()
    different = {path for path in present if updated[path] != present[path]}
    if Version(pair.version) >= SUPPORTED_FROM:
        assert different == CONFLICTS.get(pair.version, set())
    for path in different:
        assert set(ADDITIONS[path].splitlines()) <= set(updated[path].decode().splitlines()), path
        assert b"\n<<<<<<< " in updated[path], path
