"""The workflows of this repository: valid, safe, their actions pinned; the scripts that they and a project's call, checked.

Publishing is tried with a remote and a stand-in for gh. A project's workflows: test_project_workflows.py.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support.combinations import features
from support.projects import clean_environment
from support.releases import commit_all, git, start_repository
from support.rendering import REPOSITORY, TEMPLATE
from support.tools import tool

WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
SCRIPTS = [REPOSITORY / "scripts/publish-releases", *sorted((TEMPLATE / "scripts").rglob("*.sh"))]
PROGRAMS = Path(sys.executable).parent
PINNED = re.compile(r"^[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
Check = Callable[[Path], "subprocess.CompletedProcess[str]"]
FAKE_GH = """\
#!/bin/sh
echo "$@" >>"$GH_LOG"
case "$1 $2" in
"release view") test -e "$GH_LOG.$3" ;;
"release create") touch "$GH_LOG.$3" && cat "$8" >"$GH_LOG.$3" ;;
esac
"""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)


def lint(path: Path) -> subprocess.CompletedProcess[str]:
    """Check syntax, expressions, and by shellcheck the commands."""
    return run(tool("actionlint"), "-no-color", "-shellcheck", PROGRAMS / "shellcheck", path)


def audit(path: Path) -> subprocess.CompletedProcess[str]:
    """Look for what an attacker could use, the faintest suspicions left out."""
    options = ("--offline", "--pedantic", "--no-progress", "--color=never", "--min-severity=medium")
    return run(PROGRAMS / "zizmor", *options, path)


def validate(path: Path) -> subprocess.CompletedProcess[str]:
    """Compare with GitHub's schema."""
    return run(PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)


def unpinned(text: str) -> list[str]:
    """Return the actions that a workflow uses by a tag or branch, which its owner, or a thief, can move."""
    return [use for use in re.findall(r"^\s*-? ?uses: (.*)$", text, flags=re.MULTILINE) if not PINNED.match(use)]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
@pytest.mark.parametrize("check", [lint, audit, validate])
def test_a_workflow_is_valid_and_safe(check: Check, workflow: Path) -> None:
    result = check(workflow)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_the_actions_of_a_workflow_are_pinned_and_its_rights_are_given_by_job(workflow: Path) -> None:
    text = workflow.read_text()
    assert unpinned(text) == []
    assert "\npermissions: {}\n" in text
    assert text.count("timeout-minutes:") == text.count("runs-on:")


@pytest.mark.parametrize(
    ("check", "sound", "broken", "fault"),
    [
        (lint, "needs: prepare", "needs: prepared", "prepared"),
        (lint, "run: make tools", "run: rm $x", "SC2086"),
        (audit, "persist-credentials: false\n", "fetch-tags: true\n", "artipacked"),
        (audit, "run: make tools", "run: echo ${{ github.head_ref }}", "template-injection"),
        (audit, "@3d3c42e5aac5ba805825da76410c181273ba90b1 ", "@v7 ", "unpinned-uses"),
        (audit, "permissions: {}", "permissions: write-all", "excessive-permissions"),
        (validate, "timeout-minutes: 20", "timeout-minutes: long", "timeout-minutes"),
    ],
)
def test_a_fault_in_a_projects_workflow_is_found(check: Check, sound: str, broken: str, fault: str, tmp_path: Path) -> None:
    text = (TEMPLATE / ".github/workflows/template-update.yml").read_text()
    assert sound in text
    workflow = tmp_path / ".github/workflows/broken.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(text.replace(sound, broken))
    result = check(workflow)
    assert result.returncode != 0
    assert fault in result.stdout + result.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing_in_a_script(script: Path) -> None:
    result = run(PROGRAMS / "shellcheck", script)
    assert result.returncode == 0, result.stdout


def test_shellcheck_finds_a_fault(tmp_path: Path) -> None:
    (tmp_path / "broken.sh").write_text("#!/bin/sh\ncd $1\n")
    assert "SC2086" in run(PROGRAMS / "shellcheck", tmp_path / "broken.sh").stdout


@pytest.mark.requirement("NFR-002")
def test_the_matrix_leaves_each_feature_out_once_and_all_together() -> None:
    job = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())["jobs"]["options"]
    without = [set(re.findall(r"--data (\w+)=false", answers)) for answers in job["strategy"]["matrix"]["answers"]]
    expected = [set(), *({feature} for feature in features()), set(features())]
    assert sorted(map(sorted, without)) == sorted(map(sorted, expected))


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
