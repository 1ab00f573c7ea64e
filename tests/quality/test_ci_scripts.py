"""What a run of CI plans and sums up, by the generated project's own scripts."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support.releases import commit_all, git
from support.rendering import copy_template, render

ALL = {"backend", "frontend", "images"}


def plan(project: Path, event: str) -> dict[str, object]:
    output = subprocess.run(["sh", "scripts/ci/plan.sh", event], cwd=project, check=True, capture_output=True, text=True).stdout
    name, _, value = output.strip().partition("=")
    assert name == "plan"
    return dict(json.loads(value))


def parts(planned: dict[str, object]) -> set[str]:
    return {part for part in ALL if planned[part] is True}


@pytest.fixture(scope="module")
def project(rendered: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose HEAD the tests move."""
    folder = tmp_path_factory.mktemp("plan") / "project"
    subprocess.run(["cp", "--recursive", str(rendered()), str(folder)], check=True)
    git(folder, "init", "--quiet")
    commit_all(folder, "Start")
    git(folder, "tag", "start")
    return folder


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("backend/app/modules/todos/service.py", {"backend", "images"}),
        ("frontend/src/main.ts", {"frontend", "images"}),
        ("docs/README.md", set()),
        ("README.md", set()),
        ("keycloak/realm.json", ALL),
        ("compose.yml", ALL),
        ("Makefile", ALL),
        (".github/workflows/_backend.yml", ALL),
        ("a new folder/file", ALL),
        ("backend of a different kind.txt", ALL),
        ("docs\u00e9/x.py", ALL),
    ],
)
def test_a_pull_request_is_checked_where_it_changes_something(project: Path, path: str, expected: set[str]) -> None:
    git(project, "reset", "--quiet", "--hard", "start")
    (project / path).parent.mkdir(parents=True, exist_ok=True)
    with (project / path).open("a") as file:
        file.write("\n")
    commit_all(project, "Change")
    assert parts(plan(project, "pull_request")) == expected


def test_what_is_moved_or_deleted_is_a_change_of_both_places(project: Path) -> None:
    git(project, "reset", "--quiet", "--hard", "start")
    git(project, "mv", "backend/tests/conftest.py", "frontend/src/conftest.py")
    commit_all(project, "Move")
    assert parts(plan(project, "pull_request")) == ALL
    git(project, "rm", "--quiet", "frontend/src/conftest.py")
    commit_all(project, "Remove")
    assert parts(plan(project, "pull_request")) == {"frontend", "images"}


def test_without_anything_to_compare_with_everything_is_checked(project: Path) -> None:
    """A first commit, and a clone that holds no parent."""
    git(project, "reset", "--quiet", "--hard", "start")
    assert parts(plan(project, "pull_request")) == ALL


def test_a_push_and_a_build_leave_nothing_to_chance(project: Path) -> None:
    assert parts(plan(project, "push")) == {"backend", "frontend"}
    for event in ("build", "merge_group", "schedule"):
        assert parts(plan(project, event)) == ALL


def test_the_versions_are_those_of_the_images(rendered: Callable[..., Path]) -> None:
    planned = plan(rendered(python_version="3.12", node_version="22"), "push")
    assert (planned["python"], planned["node"]) == ("3.12", "22")


def test_secrets_are_looked_for_where_the_feature_is(rendered: Callable[..., Path]) -> None:
    assert plan(rendered(), "push")["secrets"] is True
    assert plan(rendered(include_secret_detection=False), "push")["secrets"] is False


def test_a_version_that_cannot_be_read_ends_the_run(tmp_path: Path) -> None:
    project = render(copy_template(tmp_path / "template"), tmp_path / "project")
    (project / "backend/Dockerfile").write_text("FROM registry.example.com/ours\n")
    result = subprocess.run(["sh", "scripts/ci/plan.sh", "push"], cwd=project, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "the version to test with is unknown" in result.stderr


def summary(project: Path, reports: Path, **github: str) -> str:
    command = [sys.executable, str(project / "scripts/ci/summary.py"), str(reports), "backend", "frontend"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")} | github
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def test_the_summary_leads_to_the_reports(rendered: Callable[..., Path], tmp_path: Path) -> None:
    github = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_RUN_ID": "7"}
    last = summary(rendered(), tmp_path, **github).splitlines()[-2]
    assert last == "[Logs and coverage reports](https://github.com/acme/shop/actions/runs/7)"


def test_the_summary_of_nothing_says_that_nothing_ran(rendered: Callable[..., Path], tmp_path: Path) -> None:
    lines = [line for line in summary(rendered(), tmp_path).splitlines() if line.startswith("- ")]
    assert len(lines) == 7
    assert all(line.endswith(": not run") for line in lines)


def test_the_summary_has_the_form_of_the_requirement(rendered: Callable[..., Path], tmp_path: Path) -> None:
    suite = '<testsuites><testsuite><testcase name="a"/><testcase name="b"><failure/></testcase></testsuite></testsuites>'
    (tmp_path / "backend-tests.xml").write_text(suite)
    (tmp_path / "backend-coverage.json").write_text(json.dumps({"totals": {"percent_covered": 98.24}}))
    (tmp_path / "frontend-tests.xml").write_text(suite.replace("<failure/>", ""))
    (tmp_path / "frontend-coverage").mkdir()
    (tmp_path / "frontend-coverage/coverage-summary.json").write_text(json.dumps({"total": {"lines": {"pct": 94.1}}}))
    (tmp_path / "trivy-image-backend-amd64.counts.json").write_text(json.dumps({"looked_at": 9, "high": 2}))
    (tmp_path / "sbom-backend-amd64.json").write_text(json.dumps({"packages": [{}, {}]}))
    (tmp_path / "sbom-frontend-amd64.json").write_text(json.dumps({"packages": [{}]}))
    (tmp_path / "pip-audit.counts.json").write_text(json.dumps({"looked_at": 9, "unknown": 1}))
    (tmp_path / "gitleaks.sarif").write_text(json.dumps({"runs": [{"results": []}]}))
    (tmp_path / "secrets.txt").write_text("gitleaks (the whole history)....Passed\n")
    assert summary(rendered(), tmp_path).splitlines() == [
        "## CI/CD Summary",
        "",
        "### Test Results",
        "- Backend: 1 tests passed, 1 failed (98.2% coverage)",
        "- Frontend: 2 tests passed, 0 failed (94.1% coverage)",
        "",
        "### Security Scan",
        "- Container vulnerabilities: 0 critical, 2 high (trivy-image-frontend-amd64: not run)",
        "- Dependency vulnerabilities: 0 critical, 0 high, 1 of unknown severity "
        "(npm-audit-frontend, npm-audit-keycloak, trivy-tree: not run)",
        "- Secrets detected: 0",
        "",
        "### Build Artifacts",
        "- backend-amd64 image: built, 2 packages in its SBOM",
        "- frontend-amd64 image: built, 1 packages in its SBOM",
        "",
    ]


def line_of(text: str, part: str) -> str:
    """Return what a summary says of a part."""
    (line,) = (line for line in text.splitlines() if line.startswith(f"- {part}: "))
    return line.removeprefix(f"- {part}: ")


@pytest.mark.parametrize(
    ("name", "part", "damaged"),
    [
        ("backend-tests.xml", "Backend", '<testsuites><testsuite><testcase name="a"/>'),
        ("backend-tests.xml", "Backend", "<testsuites/>"),
        ("pip-audit.counts.json", "Dependency vulnerabilities", '{"looked_at": 9'),
        ("pip-audit.counts.json", "Dependency vulnerabilities", "[]"),
        ("gitleaks.sarif", "Secrets detected", "{}"),
        ("sbom-backend-amd64.json", "backend-amd64 image", "{}"),
    ],
)
def test_a_damaged_report_is_never_shown_as_clean(
    rendered: Callable[..., Path], tmp_path: Path, name: str, part: str, damaged: str
) -> None:
    (tmp_path / "secrets.txt").write_text("gitleaks (the whole history)....Passed\n")
    (tmp_path / name).write_text(damaged)
    assert line_of(summary(rendered(), tmp_path), part).startswith("not run")


def test_an_image_that_could_not_be_built_is_named(rendered: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "trivy-image-backend-amd64.counts.json").write_text(json.dumps({"looked_at": 9}))
    (tmp_path / "sbom-backend-amd64.json").write_text(json.dumps({"packages": [{}]}))
    text = summary(rendered(), tmp_path)
    assert line_of(text, "Container vulnerabilities") == "0 critical, 0 high (trivy-image-frontend: not run)"
    assert line_of(text, "frontend image") == "not run"


def test_an_exception_that_has_expired_is_in_the_summary(rendered: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "pip-audit.counts.json").write_text(json.dumps({"looked_at": 9, "wrong": 1}))
    assert "1 exceptions expired or not valid" in summary(rendered(), tmp_path)


@pytest.mark.parametrize(
    ("results", "said", "line"),
    [
        (0, "gitleaks....Passed\ndetect-secrets....Passed\n", "0"),
        (2, "gitleaks....Failed\n", "2 in the history by gitleaks, 0 in files by detect-secrets"),
        (
            0,
            "gitleaks....Passed\ndetect-secrets....Failed\n\nSecret Type: Basic Auth Credentials\nLocation:    a.py:1\n",
            "0 in the history by gitleaks, 1 in files by detect-secrets",
        ),
        (0, "gitleaks....Failed\nNOT RUN: nothing is known about secrets.\n", "not run, or not to the end"),
        (0, "", "not run, or not to the end"),
    ],
)
def test_both_tools_count_for_secrets(rendered: Callable[..., Path], tmp_path: Path, results: int, said: str, line: str) -> None:
    (tmp_path / "gitleaks.sarif").write_text(json.dumps({"runs": [{"results": [{}] * results}]}))
    (tmp_path / "secrets.txt").write_text(said)
    assert line_of(summary(rendered(), tmp_path), "Secrets detected") == line


def test_images_have_the_same_name_everywhere(rendered: Callable[..., Path]) -> None:
    """What is built and published is named after compose.yml, whatever the project is called."""
    project = rendered(project_name="Größe & Co", project_slug="groesse-co")
    ask = ["make", "--silent", "--eval", "name: ; @echo $(PREFIX)", "name"]
    assert subprocess.run(ask, cwd=project, check=True, capture_output=True, text=True).stdout.strip() == "groesse-co"
    compose = yaml.safe_load((project / "compose.yml").read_text())["services"]
    images = yaml.safe_load((project / "compose.images.yml").read_text())["services"]
    for name in ("backend", "frontend"):
        assert compose[name]["image"] == f"groesse-co-{name}:development"
        assert images[name]["image"] == f"groesse-co-{name}:production"


COMMENTS = """\
#!/bin/sh
# A stand-in for GitHub: keeps one comment of the bot in a file.
echo "$*" >>"$GH_LOG"
case "$*" in
*"--jq"*) test ! -e "$GH_LOG.comment" || echo "repos/acme/project/issues/comments/7" ;;
*) cp summary.md "$GH_LOG.comment" ;;
esac
"""


def test_the_comment_is_made_once_and_then_updated(rendered: Callable[..., Path], tmp_path: Path) -> None:
    report = yaml.safe_load((rendered() / ".github/workflows/_checks.yml").read_text())["jobs"]["comment"]
    script = next(step["run"] for step in report["steps"] if "run" in step)
    (tmp_path / "gh").write_text(COMMENTS)
    (tmp_path / "gh").chmod(0o755)
    log = tmp_path / "log"
    for text in ("first", "second"):
        (tmp_path / "summary.md").write_text(text)
        environment = {
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "GH_LOG": str(log),
            "COMMENTS": "repos/acme/project/issues/1/comments",
        }
        subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=tmp_path, env=environment, check=True)
    calls = [call for call in log.read_text().splitlines() if "--jq" not in call]
    assert calls == [
        "api --method POST repos/acme/project/issues/1/comments --field body=@summary.md --silent",
        "api --method PATCH repos/acme/project/issues/comments/7 --field body=@summary.md --silent",
    ]
    assert (tmp_path / "log.comment").read_text() == "second"
