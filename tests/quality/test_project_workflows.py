"""The workflows of a generated project: three linters find nothing in any combination of features, and find what is broken."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support import combinations
from support.releases import git
from support.rendering import REPOSITORY, files_of
from support.tools import tool

BIN = f"{sys.prefix}/bin"
WITH_ACTIONS = [answers for answers in combinations.projects() if answers["include_github_actions"]]
PINNED = re.compile(r"^([\w-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$")
OWNERS_OF_ACTIONS = {"actions", "anchore", "aquasecurity", "docker", "github", "sigstore"}
HEAD = "name: it\non: push\npermissions: {}\njobs:\n  it:\n    runs-on: ubuntu-24.04\n    timeout-minutes: 5\n    steps:\n"
BROKEN_FOR_ACTIONLINT = {
    "a needed job that is not there": HEAD.replace("    runs-on", "    needs: nothing\n    runs-on") + "      - run: 'true'\n",
    "an unknown context": HEAD + "      - run: echo ${{ github.tokn }}\n",
    "an unknown runner": HEAD.replace("ubuntu-24.04", "ubuntu-99.04") + "      - run: 'true'\n",
    "a fault of the shell": HEAD + "      - run: rm $NAME\n",
    "a missing input": HEAD + "      - uses: actions/cache@v5\n",
    "a wrong input of a call": "on: push\njobs:\n  it:\n    uses: ./.github/workflows/_called.yml\n    with: {plans: x}\n",
}
BROKEN_FOR_ZIZMOR = {
    "unpinned-uses": HEAD + "      - uses: actions/cache@v5\n        with: {path: a, key: b}\n",
    "template-injection": HEAD + "      - run: echo ${{ github.head_ref }}\n",
    "excessive-permissions": HEAD.replace("permissions: {}", "permissions: write-all") + "      - run: 'true'\n",
    "artipacked": HEAD + "      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1\n",
    "dangerous-triggers": HEAD.replace("on: push", "on: pull_request_target") + "      - run: 'true'\n",
    "unpinned-images": HEAD.replace("    steps", "    services:\n      db:\n        image: postgres:18\n    steps")
    + "      - run: 'true'\n",
}
BROKEN_FOR_SCHEMA = {
    "vendor.github-workflows": ("broken.yml", "on: push\njobs:\n  it:\n    runs-on: 7\n    stepz: []\n"),
    "vendor.github-actions": ("action.yml", "name: it\nruns:\n  using: shell\n"),
    "vendor.dependabot": ("dependabot.yml", "version: 2\nupdates:\n  - package-ecosystem: pipz\n    directory: /\n"),
}


def actionlint(project: Path, *paths: str) -> subprocess.CompletedProcess[str]:
    command = [tool("actionlint"), "-no-color", "-shellcheck", f"{BIN}/shellcheck", *paths]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def zizmor(project: Path) -> str:
    """Return what zizmor's strictest persona finds of medium or higher severity."""
    command = [
        f"{BIN}/zizmor",
        "--offline",
        "--no-progress",
        "--quiet",
        "--color=never",
        "--persona=pedantic",
        "--min-severity=medium",
        ".github",
    ]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert result.returncode in {0, 11, 12, 13, 14}, result.stderr
    return result.stdout if result.returncode else ""


def schema_faults(schema: str, *paths: Path) -> str:
    command = [f"{BIN}/check-jsonschema", "--builtin-schema", schema, *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout + result.stderr if result.returncode else ""


def with_git(folder: Path) -> Path:
    """Make a folder a repository, which is how actionlint finds the workflows that others call."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    return folder


def uses(project: Path) -> list[str]:
    """Return each use of an action that is not the project's own, with its comment."""
    texts = [path.read_text() for path in (project / ".github").rglob("*.yml")]
    found = [use for text in texts for use in re.findall(r"^\s*-? ?uses: (.*)$", text, re.MULTILINE)]
    return [use for use in found if not use.startswith("./")]


def copies(rendered: Callable[..., Path], folder: Path) -> list[Path]:
    """Return a repository for each form that `.github` has in any combination of features."""
    forms: dict[str, Path] = {}
    for answers in WITH_ACTIONS:
        project = rendered(**answers)
        forms.setdefault(repr(files_of(project / ".github")), project)
    for number, project in enumerate(forms.values()):
        copy = folder / str(number)
        shutil.copytree(project / ".github", copy / ".github")
        with_git(copy)
    return sorted(folder.iterdir())


@pytest.mark.requirement("FR-CI-001")
def test_three_linters_find_nothing_in_any_combination(rendered: Callable[..., Path], tmp_path: Path) -> None:
    for copy in copies(rendered, tmp_path):
        result = actionlint(copy)
        assert result.returncode == 0, result.stdout + result.stderr
        assert zizmor(copy) == ""
        assert schema_faults("vendor.github-workflows", *sorted((copy / ".github/workflows").glob("*.yml"))) == ""
        assert schema_faults("vendor.github-actions", *sorted((copy / ".github/actions").glob("*/action.yml"))) == ""
        assert schema_faults("vendor.dependabot", copy / ".github/dependabot.yml") == ""


def test_three_linters_find_nothing_in_this_repository() -> None:
    result = actionlint(REPOSITORY)
    assert result.returncode == 0, result.stdout + result.stderr
    assert zizmor(REPOSITORY) == ""
    assert schema_faults("vendor.github-workflows", *sorted((REPOSITORY / ".github/workflows").glob("*.yml"))) == ""
    assert schema_faults("vendor.dependabot", REPOSITORY / ".github/dependabot.yml") == ""


@pytest.mark.parametrize("fault", BROKEN_FOR_ACTIONLINT)
def test_actionlint_rejects(fault: str, tmp_path: Path) -> None:
    folder = with_git(tmp_path) / ".github/workflows"
    folder.mkdir(parents=True)
    (folder / "_called.yml").write_text(
        "on:\n  workflow_call:\n    inputs:\n      plan: {type: string}\n"
        + HEAD.partition("on: push\n")[2]
        + "      - run: 'true'\n"
    )
    assert actionlint(tmp_path).returncode == 0
    (folder / "broken.yml").write_text(BROKEN_FOR_ACTIONLINT[fault])
    assert actionlint(tmp_path).returncode == 1


@pytest.mark.parametrize("rule", BROKEN_FOR_ZIZMOR)
def test_zizmor_rejects(rule: str, tmp_path: Path) -> None:
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    (folder / "broken.yml").write_text(BROKEN_FOR_ZIZMOR[rule])
    assert rule in zizmor(tmp_path)


@pytest.mark.parametrize("schema", BROKEN_FOR_SCHEMA)
def test_the_schema_rejects(schema: str, tmp_path: Path) -> None:
    name, text = BROKEN_FOR_SCHEMA[schema]
    (tmp_path / name).write_text(text)
    assert schema_faults(schema, tmp_path / name)


def test_actions_are_pinned_once_each_and_come_from_few(rendered: Callable[..., Path]) -> None:
    """Every use of an action has the same full commit id, with the version beside it."""
    pins: dict[str, set[str]] = {}
    for use in uses(rendered()):
        match = PINNED.match(use.partition(" #")[0] + " #" + use.partition(" #")[2])
        assert match, f"{use} is not pinned to a full commit id with its version"
        pins.setdefault("/".join(match[1].split("/")[:2]), set()).add(match[2])
    assert {action: shas for action, shas in pins.items() if len(shas) > 1} == {}
    assert {action.partition("/")[0] for action in pins} <= OWNERS_OF_ACTIONS


def test_dependabot_leaves_the_workflows_of_the_template_alone(rendered: Callable[..., Path]) -> None:
    """Who moves a pin is one: else an update of the template would meet Dependabot's edit on the same line."""
    project = rendered()
    dependabot = yaml.safe_load((project / ".github/dependabot.yml").read_text())
    excluded = next(u for u in dependabot["updates"] if u["package-ecosystem"] == "github-actions")["exclude-paths"]
    with_pins = {p.relative_to(project).as_posix() for p in (project / ".github/workflows").glob("*.yml") if "@" in p.read_text()}
    left = {path for path in with_pins if not any(Path(path).match(pattern) for pattern in excluded)}
    assert left == set()


def test_every_step_is_the_projects_own_command(rendered: Callable[..., Path]) -> None:
    """Scripts in a workflow run nowhere but at GitHub, but for jobs that run nothing of the repository and may write."""
    project = rendered()
    long = {}
    for path in sorted((project / ".github/workflows").glob("*.yml")):
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            steps = job.get("steps", [])
            if any(len(step.get("run", "").splitlines()) > 1 for step in steps):
                long[path.name, name] = any("checkout" in step.get("uses", "") for step in steps)
    assert long == {("_badge.yml", "coverage"): False, ("_checks.yml", "comment"): False}


def test_jobs_have_few_rights_and_an_end(rendered: Callable[..., Path]) -> None:
    for path in sorted((rendered() / ".github/workflows").glob("*.yml")):
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {}, path.name
        assert "pull_request_target" not in path.read_text()
        for name, job in workflow["jobs"].items():
            assert "permissions" in job or "uses" in job, f"{path.name}: {name}"
            assert "uses" in job or job["timeout-minutes"] <= 20, f"{path.name}: {name}"


#: Jobs that run code of the repository and may write more than findings. No pull request starts them.
MAY_WRITE = {
    ("_publish.yml", "push"): {"packages"},
    ("_publish.yml", "sign"): {"id-token", "packages"},
    ("_release.yml", "publish"): {"contents", "packages"},
    ("template-update.yml", "publish"): {"contents", "issues", "pull-requests"},
}


def test_code_runs_beside_few_rights_and_scanners_beside_none(rendered: Callable[..., Path]) -> None:
    """What a pull request changes, or a scanner brings, gets no token that may change the repository or its packages."""
    found = {}
    for path in sorted((rendered() / ".github/workflows").glob("*.yml")):
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            used = [step.get("uses", "").partition("@")[0] for step in job.get("steps", [])]
            writes = {right for right, level in (job.get("permissions") or {}).items() if level == "write"} - {"security-events"}
            if writes and "actions/checkout" in used:
                found[path.name, name] = writes
            assert not (writes and "aquasecurity/setup-trivy" in used), f"{path.name}: {name}"
    assert found == MAY_WRITE


def test_files_that_a_team_may_have_or_change_hold_no_pins(rendered: Callable[..., Path]) -> None:
    """So a release that moves pins changes files of the template alone, whose names nobody else uses."""
    for name in ("build", "ci", "release", "security"):
        jobs = yaml.safe_load((rendered() / f".github/workflows/{name}.yml").read_text())["jobs"]
        assert [job["uses"][:21] for job in jobs.values()] == ["./.github/workflows/_"] * len(jobs), name
