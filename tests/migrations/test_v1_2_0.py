"""1.2.0 keeps what a team has under the names of the new workflows and hooks."""

from pathlib import Path

import pytest
from support.releases import commit_all, git, start_repository

from migrations.v1_2_0 import COMMON, after, before


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/ci.yml").write_text("name: ours\n")
    (tmp_path / ".gitignore").write_text(".secrets.baseline\n")
    return start_repository(tmp_path)


def bring(project: Path) -> None:
    """Do what the update does in between: the release's files arrive."""
    for path in COMMON:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text("name: the release's\n")
    git(project, "add", "--all", "--force")


@pytest.mark.parametrize("times", [1, 2])
def test_the_teams_file_stays_and_the_others_arrive(project: Path, times: int, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(times):
        before(project)
    assert git(project, "ls-files").splitlines() == [".github/workflows/ci.yml.of-the-team", ".gitignore"]
    bring(project)
    for _ in range(times):
        after(project)
    assert (project / ".github/workflows/ci.yml").read_text() == "name: ours\n"
    assert (project / ".github/workflows/build.yml").read_text() == "name: the release's\n"
    assert not list(project.rglob("*.of-the-team"))
    assert capsys.readouterr().out.count("is your own and stays") == 1
    commit_all(project, "Update")
    assert git(project, "show", "HEAD:.github/workflows/ci.yml") == "name: ours"


def test_where_the_feature_is_off_nothing_is_touched(project: Path) -> None:
    before(project)
    after(project)
    assert git(project, "status", "--porcelain") == ""


def test_a_project_without_such_files_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x\n")
    start_repository(tmp_path)
    before(tmp_path)
    bring(tmp_path)
    after(tmp_path)
    assert (tmp_path / ".github/workflows/ci.yml").read_text() == "name: the release's\n"
    assert capsys.readouterr().out == ""
