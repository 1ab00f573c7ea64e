"""The workflows of this repository: valid, their actions pinned, and publishing tried with a remote and a stand-in for gh."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.projects import clean_environment
from support.releases import commit_all, git, start_repository
from support.rendering import REPOSITORY
from support.tools import tool

WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"^[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
FAKE_GH = """\
#!/bin/sh
echo "$@" >>"$GH_LOG"
case "$1 $2" in
"release view") test -e "$GH_LOG.$3" ;;
"release create") touch "$GH_LOG.$3" && cat "$8" >"$GH_LOG.$3" ;;
esac
"""


def lint(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("actionlint"), "-no-color", str(path)], capture_output=True, text=True, check=False)


def unpinned(text: str) -> list[str]:
    """Return the actions that a workflow uses by a tag or branch, which its owner, or a thief, can move."""
    return [use for use in re.findall(r"^\s*-? ?uses: (.*)$", text, flags=re.MULTILINE) if not PINNED.match(use)]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_valid_and_its_actions_are_pinned(workflow: Path) -> None:
    result = lint(workflow)
    assert result.returncode == 0, result.stdout
    assert unpinned(workflow.read_text()) == []


def test_a_fault_in_a_workflow_is_found(tmp_path: Path) -> None:
    text = (REPOSITORY / ".github/workflows/release.yml").read_text()
    broken = tmp_path / ".github/workflows/release.yml"
    broken.parent.mkdir(parents=True)
    broken.write_text(text.replace("needs: check", "needs: checks").replace("github.token", "github.tokn"))
    found = lint(broken).stdout
    assert '"checks"' in found
    assert "tokn" in found
    assert unpinned("      - uses: actions/checkout@v7\n") == ["actions/checkout@v7"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a repository with two releases, and a remote of its own."""
    folder = tmp_path / "clone"
    (folder / "scripts").mkdir(parents=True)
    for name in ("publish-releases", "releases.py"):
        shutil.copy2(REPOSITORY / "scripts" / name, folder / "scripts")  # they find their repository by where they are
    start_repository(folder)
    for version in ("1.0.0", "1.1.0"):
        (folder / "pyproject.toml").write_text(f'version = "{version}"\n')
        with (folder / "CHANGELOG.md").open("a") as file:
            file.write(f"## [{version}] - 2026-01-01\n\nText of {version}.\n\n### Migration\n\n- Turn the key.\n\n")
        commit_all(folder, version)
    git(tmp_path, "init", "--quiet", "--bare", "remote")
    git(folder, "remote", "add", "origin", str(tmp_path / "remote"))
    return folder


def test_each_release_is_published_once(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "gh").write_text(FAKE_GH)
    (tmp_path / "gh").chmod(0o755)
    log = tmp_path / "log"
    environment = clean_environment() | {"GH_LOG": str(log), "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHON": sys.executable}
    for _ in range(2):
        for command in ([sys.executable, "scripts/releases.py", "tag"], ["scripts/publish-releases"]):
            subprocess.run(command, cwd=clone, env=environment, check=True, capture_output=True)
    calls = [line for line in log.read_text().splitlines() if line.startswith("release create")]
    assert [call.split()[2] for call in calls] == ["v1.0.0", "v1.1.0"]
    assert git(tmp_path / "remote", "tag", "--list").split() == ["v1.0.0", "v1.1.0"]
    published = (tmp_path / "log.v1.1.0").read_text()
    assert "this release needs your hand.**\n>\n> - Turn the key." in published
    assert "Text of 1.1.0." in published
