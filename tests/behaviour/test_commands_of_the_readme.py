"""The command that the README gives to people who have uv and nothing else of ours."""

import subprocess
from pathlib import Path

import pytest
from support.projects import clean_environment
from support.releases import git, released_template
from support.rendering import REPOSITORY, files_of

UVX = REPOSITORY / ".venv/bin/uvx"
COPIER = (str(UVX), "--quiet", "--with", "copier-template-extensions", "copier")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, env=clean_environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released_template(tmp_path_factory.mktemp("repository"), "0.9.0")


def test_uvx_copier_copy_generates_a_project_straight_from_the_repository(repository: Path, tmp_path: Path) -> None:
    project = tmp_path / "my app"
    result = run(*COPIER, "copy", "--trust", "--defaults", "--quiet", str(repository), str(project))
    assert result.returncode == 0, result.stderr
    assert "backend/app/main.py" in files_of(project)
    assert "_commit: v0.9.0" in (project / ".copier-answers.yml").read_text()


def test_the_first_commit_of_a_project_holds_all_of_it(repository: Path, tmp_path: Path) -> None:
    """An ignore pattern that is too wide (`lib/`) once hid a folder of a project's own."""
    project = tmp_path / "my-app"
    run(*COPIER, "copy", "--trust", "--defaults", "--quiet", str(repository), str(project))
    rendered = set(files_of(project))
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Start")
    assert set(git(project, "ls-files").splitlines()) == rendered


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("project_slug=9-App_", "Example: acme-orders."),
        ("backend_port=70000", "Port 70000 is outside"),
        ("project_name=", "empty"),
    ],
)
def test_a_wrong_answer_is_refused_and_nothing_is_written(repository: Path, tmp_path: Path, answer: str, reason: str) -> None:
    project = tmp_path / "my-app"
    result = run(*COPIER, "copy", "--trust", "--defaults", "--data", answer, str(repository), str(project))
    assert result.returncode != 0
    assert reason in result.stderr
    assert not project.exists()


def test_without_the_extension_package_copier_says_which_one_is_missing(repository: Path, tmp_path: Path) -> None:
    result = run(str(UVX), "--quiet", "copier", "copy", "--trust", "--defaults", str(repository), str(tmp_path / "my-app"))
    assert result.returncode != 0
    assert "copier_template_extensions" in result.stderr


def test_the_demo_project_knows_where_its_template_is(tmp_path: Path) -> None:
    """A relative address would be stored as it is, and the next update would look for it elsewhere."""
    result = run("make", "-C", str(REPOSITORY), "demo-project", f"DEMO={tmp_path / 'demo'}")
    assert result.returncode == 0, result.stderr
    assert f"_src_path: {REPOSITORY}\n" in (tmp_path / "demo/.copier-answers.yml").read_text()
