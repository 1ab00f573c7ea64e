"""The commands that the README gives to people who have nothing of ours: each way to a project, in a home of its own."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    return released_template(tmp_path_factory.mktemp("a repository"), "0.9.0")


def ways() -> Iterator[Any]:
    """Yield the README's ways to a project, each as a line for the shell; those by pip take long."""
    section = (
        (REPOSITORY / "README.md").read_text(encoding="utf-8").partition("## A project of your own\n")[2].partition("\n## ")[0]
    )
    block = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    yield pytest.param(" && ".join(block[: block.index("make dev")]), id="as a newcomer")
    for row in re.findall(r"^\| ([^|`]+) \| (.*`.*) \|$", section, re.MULTILINE):
        marks = [pytest.mark.verify] if "pip install" in row[1] else []
        yield pytest.param(" && ".join(re.findall("`([^`]+)`", row[1])), id=row[0], marks=marks)


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Return an environment with a home of its own, uv, what the machine brings, and the caches of uv and pip."""
    (tmp_path / "bin").mkdir()
    for name in ("uv", "uvx"):
        (tmp_path / "bin" / name).symlink_to(UVX.with_name(name))
    (tmp_path / ".gitconfig").write_text("[user]\nname = Kim\nemail = kim@example.com\n")
    given = {name: value for name, value in clean_environment().items() if not name.startswith(("XDG_", "GIT_", "EVERGREEN_"))}
    cache = {"PIP_CACHE_DIR": f"{Path.home()}/.cache/pip", "UV_CACHE_DIR": f"{Path.home()}/.cache/uv", "UV_NO_PROGRESS": "1"}
    path = f"{tmp_path}/.local/bin:{tmp_path}/bin:/usr/local/bin:/usr/bin:/bin"
    return cache | given | {"HOME": str(tmp_path), "PATH": path}


@pytest.mark.parametrize("way", list(ways()))
def test_each_way_to_a_project_works_in_a_home_that_has_nothing(
    way: str, repository: Path, home: dict[str, str], tmp_path: Path
) -> None:
    line = re.sub("<address[^>]*>", shlex.quote(str(repository)), way).replace("my-app", "my-app --defaults", 1)
    result = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, env=home, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"
    project = tmp_path / "my-app"
    rendered = {path for path in files_of(project) if not path.startswith(".git/")}
    assert "backend/app/main.py" in rendered
    answers = (project / ".copier-answers.yml").read_text()
    assert "_commit: v0.9.0\n" in answers
    assert f"_src_path: {repository}\n" in answers
    if "evergreen new" in line:
        assert git(project, "log", "--format=%s %an") == "Start from the template, 0.9.0 Kim"
        assert set(git(project, "ls-files").splitlines()) == rendered, (
            "an ignore pattern that is too wide (`lib/`) once hid a folder"
        )


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
