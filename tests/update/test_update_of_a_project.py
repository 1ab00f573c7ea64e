"""A project takes a release by plain `copier update`: its team's edits stay, and its history is not touched.

The release is built in the test: it changes a template-owned file, adds one and leaves the rest.
"""

import subprocess
from pathlib import Path

import pytest
from copier import run_copy, run_update
from support.releases import commit_all, git, release, released_template, start_repository
from support.rendering import copy_template, files_of, render

OWNED = "backend/app/main.py"
EDITED = "backend/app/modules/__init__.py"
ADDED = "docs/added-by-the-release.md"


@pytest.fixture
def template(tmp_path: Path) -> Path:
    template = released_template(tmp_path / "template", "0.9.0")
    with (template / "template" / OWNED).open("a") as file:
        file.write("\n# A line of the next release.\n")
    (template / "template" / ADDED).write_text("# Added\n")
    return template


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    destination = tmp_path / "project"
    run_copy(str(template), destination, defaults=True, unsafe=True, quiet=True, vcs_ref="v0.9.0")
    return start_repository(destination)


def update(project: Path) -> None:
    run_update(project, defaults=True, unsafe=True, quiet=True, overwrite=True)


def test_a_project_without_edits_becomes_a_fresh_render(project: Path, template: Path, tmp_path: Path) -> None:
    release(template, "0.9.1")
    update(project)
    fresh = tmp_path / "fresh"
    run_copy(str(template), fresh, defaults=True, unsafe=True, quiet=True)
    assert {path: content for path, content in files_of(project).items() if not path.startswith(".git/")} == files_of(fresh)


def test_edits_stay_deletions_stay_and_a_second_update_changes_nothing(project: Path, template: Path) -> None:
    edited = (project / EDITED).read_text() + "\n# The team's own line.\n"
    (project / EDITED).write_text(edited)
    (project / "backend/app/modules/reports.py").write_text("# A module of the team's.\n")
    (project / "CLAUDE.md").unlink()
    commit_all(project, "Work")
    release(template, "0.9.1")

    update(project)

    assert (project / EDITED).read_text() == edited
    assert "A line of the next release." in (project / OWNED).read_text()
    assert (project / ADDED).is_file()
    assert (project / "backend/app/modules/reports.py").is_file()
    assert not (project / "CLAUDE.md").exists()
    commit_all(project, "Update")
    update(project)
    assert git(project, "status", "--porcelain") == ""


def test_an_update_leaves_the_history_alone(project: Path, template: Path) -> None:
    (project / ".git/description").write_text("ours\n")
    commit = git(project, "rev-parse", "HEAD")
    release(template, "0.9.1")
    update(project)
    assert git(project, "rev-parse", "HEAD") == commit
    assert (project / ".git/description").read_text() == "ours\n"
    subprocess.run(["git", "fsck", "--strict"], cwd=project, check=True, capture_output=True)


def test_a_template_that_ships_a_git_folder_would_not_get_it_into_a_project(tmp_path: Path) -> None:
    """`_exclude` drops Copier's own defaults; a template once replaced its projects' histories that way."""
    template = copy_template(tmp_path / "template")
    (template / "template/.git").mkdir()
    (template / "template/.git/config").write_text("[core]\n")
    assert not (render(template, tmp_path / "project") / ".git").exists()
