"""1.2.0 writes down what a team has under the names of the new workflows and hooks."""

from pathlib import Path

import pytest
import yaml
from support.releases import git, start_repository
from support.rendering import questions

from migrations.v1_2_0 import COMMON, before

CI = ".github/workflows/ci.yml"
ANSWERS = ".copier-answers.yml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ANSWERS).write_text("_commit: v1.1.0\nproject_name: 'Ours: kept_files'\n")
    return start_repository(tmp_path)


def kept(project: Path) -> object:
    return yaml.safe_load((project / ANSWERS).read_text()).get("kept_files")


@pytest.mark.parametrize(
    "content", [b"name: ours\n", b"name: ours\r\n", b"\xff\xfe\0", b""], ids=["text", "CRLF", "bytes", "empty"]
)
def test_a_file_of_the_teams_is_written_down_once_and_left_alone(
    project: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / CI).write_bytes(content)
    for _ in range(2):
        before(project)
    assert kept(project) == [CI]
    assert (project / CI).read_bytes() == content
    assert git(project, "diff", "--cached", "--name-only") == ANSWERS
    assert capsys.readouterr().out.count(f"are your own, and stay as they are, in later releases, too: {CI}.") == 1


def test_a_project_without_such_files_is_left_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / ".github/workflows/ci.yaml").write_text("name: beside\n")
    before(project)
    assert git(project, "status", "--porcelain", "--untracked-files=no") == ""
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "form", [f'kept_files: ["{COMMON[0]}"]\nx: 1\n', f"kept_files:\n- {COMMON[0]}\nx: 1\n", "x: 1\nkept_files: []"]
)
def test_what_is_written_down_already_stays_so(project: Path, form: str) -> None:
    (project / ANSWERS).write_text(form)
    (project / CI).write_text("name: ours\n")
    before(project)
    assert kept(project) == [*([COMMON[0]] if COMMON[0] in form else []), CI]
    assert yaml.safe_load((project / ANSWERS).read_text())["x"] == 1


def test_links_and_folders_are_the_teams_as_well(project: Path) -> None:
    (project / CI).symlink_to("nowhere.yml")
    (project / ".gitleaks.toml").mkdir()
    before(project)
    assert kept(project) == [CI, ".gitleaks.toml"]


def test_a_linked_folder_is_looked_into(project: Path) -> None:
    (project / ".github/workflows").rmdir()
    (project / ".github").rmdir()
    (project / "shared/workflows").mkdir(parents=True)
    (project / "shared/workflows/ci.yml").write_text("name: ours\n")
    (project / ".github").symlink_to("shared")
    before(project)
    assert kept(project) == [CI]


def test_each_is_a_choice_of_the_answer_and_excluded_by_it() -> None:
    question = questions()["kept_files"]
    assert set(COMMON) <= set(question["choices"])
    excluded = yaml.safe_load((Path(__file__).parents[2] / "questions/kept_files.yml").read_text())["_exclude"]
    assert excluded == [f"{{% if '{path}' in (kept_files | default([])) %}}/{path}{{% endif %}}" for path in question["choices"]]
