"""What a release's own code can do: see and stage files, use libraries that Copier does not bring, run twice."""

import os
import subprocess
from pathlib import Path

import pytest
from packaging.version import Version
from support.projects import clean_environment
from support.releases import commit_all, git
from support.rendering import REPOSITORY
from support.small_template import SmallTemplate, team, update

from migrations.runner import run

UV = REPOSITORY / ".venv/bin/uv"
WRITE = """
from pathlib import Path
from migrations.repository import stage

def before(project: Path) -> None:
    assert not (project / "answers-seen").exists()
    (project / "staged.txt").write_text("by the migration\\n")
    (project / "unstaged.txt").write_text("by the migration\\n")
    stage(project, "staged.txt")
---
before=before
"""
LIBRARIES = """
from pathlib import Path

def after(project: Path) -> None:
    from migrations.edit_python import add_to_list
    from migrations.edit_toml import add_dependency
    from migrations.edit_yaml import set_key
    for name, change in {
        "pyproject.toml": lambda text: add_dependency(text, "structlog>=25"),
        "compose.yml": lambda text: set_key(text, ["services", "api", "restart"], "always"),
        "app.py": lambda text: add_to_list(text, "ORDER", '"sentry"'),
    }.items():
        path = project / name
        path.write_text(change(path.read_text()))
---
needs=("libcst", "ruamel.yaml", "tomlkit"), after=after
"""
FILES: dict[str, str | None] = {
    "staged.txt": "by the template\n",
    "unstaged.txt": "by the template\n",
    "pyproject.toml": '[project]\nname = "x"\ndependencies = [\n    "alembic>=1",\n]\n',
    "compose.yml": "services:\n    api:\n        image: x   # ours\n",
    "app.py": 'ORDER = ["a"]  # ours\n',
}


@pytest.fixture
def template(tmp_path: Path) -> SmallTemplate:
    return SmallTemplate.start(tmp_path / "template", FILES)


def test_what_a_migration_writes_before_the_update_must_be_staged(template: SmallTemplate, tmp_path: Path) -> None:
    """Copier merges what git's index holds: an unstaged change is overwritten by the new rendering."""
    project = template.generate(tmp_path / "project")
    template.release("1.1.0", WRITE)
    update(project)
    assert (project / "staged.txt").read_text() == "by the migration\n"
    assert (project / "unstaged.txt").read_text() == "by the template\n"


def copier(project: Path, cache: Path, path: str) -> subprocess.CompletedProcess[str]:
    """Run `uvx copier update`, with nothing but what the README says, and PATH as given."""
    command = [str(UV), "tool", "run", "--with", "copier-template-extensions", "copier>=9.19,<10", "update"]
    environment = clean_environment() | {"UV_TOOL_DIR": str(cache / "tools"), "PATH": path}
    return subprocess.run(
        [*command, "--trust", "--defaults"], cwd=project, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "uv_on_path", [True, pytest.param(False, marks=pytest.mark.verify)], ids=["uv on PATH", "uv only as uvx"]
)
def test_libraries_come_to_a_copier_that_has_none(template: SmallTemplate, tmp_path: Path, uv_on_path: bool) -> None:
    project = template.generate(tmp_path / "project")
    template.release("1.1.0", LIBRARIES)
    path = f"{UV.parent}:{os.environ['PATH']}" if uv_on_path else without_uv()
    result = copier(project, tmp_path, path)
    assert result.returncode == 0, result.stderr
    assert "structlog" not in (template.folder / "template/pyproject.toml").read_text()
    assert (project / "pyproject.toml").read_text().endswith('    "alembic>=1",\n    "structlog>=25",\n]\n')
    assert (project / "compose.yml").read_text() == "services:\n    api:\n        image: x   # ours\n        restart: always\n"
    assert (project / "app.py").read_text() == 'ORDER = ["a", "sentry"]  # ours\n'


def without_uv() -> str:
    """Return PATH without the folders that hold a uv."""
    return os.pathsep.join(folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "uv").exists())


def test_libraries_that_cannot_come_leave_the_project_as_it_was(
    template: SmallTemplate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check runs in the first stage, although only the second needs them."""
    project = template.generate(tmp_path / "project")
    template.release("1.1.0", LIBRARIES.replace('"tomlkit"', '"tomlkit"'))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty cache"))
    command = [str(bare_python(tmp_path)), "-m", "copier", "update", "--trust", "--defaults"]
    environment = clean_environment() | {"PATH": f"{UV.parent}:{os.environ['PATH']}"}
    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "The migration to 1.1.0 needs libcst" in result.stderr
    assert git(project, "status", "--porcelain") == ""


def bare_python(folder: Path) -> Path:
    """Return a Python with Copier alone, from what uv has downloaded already."""
    environment = {name: value for name, value in clean_environment().items() if name not in ("UV_OFFLINE", "UV_CACHE_DIR")}
    subprocess.run([UV, "venv", "--quiet", folder / "bare"], env=environment, check=True)
    python = folder / "bare/bin/python"
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, "copier>=9.19,<10"], env=environment, check=True)
    return python


def test_every_stage_can_run_twice(template: SmallTemplate, tmp_path: Path) -> None:
    project = template.generate(tmp_path / "project")
    team(project, {"app.py": "# the team's\n" + str(FILES["app.py"])})
    template.release(
        "1.1.0", "moved={'app.py': 'main.py'}, answers={'a': 'b'}", {"app.py": None, "main.py": str(FILES["app.py"])}
    )
    folder = template.folder / "migrations"
    for _ in range(2):
        run("before", Version("1.1.0"), project, folder=folder)
        assert not (project / "app.py").exists()
    (project / "main.py").write_text(str(FILES["app.py"]))  # what Copier does in between
    notes = [run("after", Version("1.1.0"), project, folder=folder) for _ in range(2)]
    assert notes == [["app.py is main.py now; your edits moved with it."], []]
    assert (project / "main.py").read_text() == "# the team's\n" + str(FILES["app.py"])
    commit_all(project, "Update")
    assert run("before", Version("1.1.0"), project, folder=folder) == []
