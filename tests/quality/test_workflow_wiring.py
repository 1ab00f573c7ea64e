"""What a project's workflows hand to each other, run by support/workflow_runner.py with a stand-in for the registry."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from support.releases import commit_all, git
from support.workflow_runner import Runner, report

CHECKS = ("plan", "backend", "frontend", "images", "security")
DIGESTS = {"backend": f"sha256:{'b' * 64}", "frontend": f"sha256:{'f' * 64}"}
#: Answers for a registry: knows the tags in REGISTRY_TAGS, or says what a registry says that cannot be reached.
SKOPEO = """\
#!/bin/sh
echo "$*" >>"$REGISTRY_LOG"
case "$*" in
*--digestfile*) echo "sha256:$(printf %064d 1)" >"$(echo "$*" | sed 's/.*--digestfile \\([^ ]*\\).*/\\1/')"; exit ;;
*"inspect "*) ;;
*) exit 0 ;;
esac
[ "$REGISTRY_TAGS" != unreachable ] || { echo "dial tcp: i/o timeout" >&2; exit 1; }
case "$*" in
*backend@* | *frontend@*) echo "${*##*@}" ;;
*:"$REGISTRY_TAGS") case "$*" in *-backend:*) echo BACKEND ;; *) echo FRONTEND ;; esac ;;
*) echo "reading manifest in ghcr.io: manifest unknown" >&2; exit 1 ;;
esac
""".replace("BACKEND", DIGESTS["backend"]).replace("FRONTEND", DIGESTS["frontend"])
#: Keeps each request to GitHub; the branch `badges` is there from the second run on.
GH = """\
#!/bin/sh
echo "$*" >>"$GH_LOG"
case "$*" in
*PATCH*) test -e "$GH_LOG.branch" ;;
*git/refs*) touch "$GH_LOG.branch" ;;
*) basename "$2" ;;
esac
"""


def jobs_of(workflow: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(workflow.read_text())["jobs"])


@pytest.fixture(scope="module")
def repository(rendered: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with a first commit; the tests only clone it."""
    folder = tmp_path_factory.mktemp("wiring") / "project"
    shutil.copytree(rendered(), folder)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit_all(folder, "Start from the template")
    return folder


@pytest.fixture
def runner(repository: Path, tmp_path: Path) -> Callable[..., Runner]:
    """Return a maker of runners; `has` is the tag that the registry knows, or "unreachable"."""
    (tmp_path / "skopeo").write_text(SKOPEO)
    (tmp_path / "skopeo").chmod(0o755)

    def built(workspace: Path) -> str:
        """Leave what `make image` would: an archive, of the image in the name of the job."""
        (workspace / "images").mkdir()
        image = "backend" if "backend" in workspace.name else "frontend"
        (workspace / f"images/{image}-amd64.tar").write_text(image)
        return "stands for an image"

    def make(has: str = "", **options: Any) -> Runner:
        environment = {
            "SKOPEO": str(tmp_path / "skopeo"),
            "BUILDAH": str(tmp_path / "skopeo"),
            "COSIGN": str(tmp_path / "skopeo"),
            "REGISTRY_TAGS": has,
            "REGISTRY_LOG": str(tmp_path / "log"),
            "GITHUB_REF_NAME": "v1.2.3",
        }
        stand_ins: dict[str, str | Callable[[Path], str]] = {
            "^make image$": built,
            "^make e2e-images$": "needs the images",
            "^(skopeo|buildah|docker) login": "needs the registry",
            "^make (sbom|scan-image)$": "needs an image",
            "gh (api|release)|coverage.svg": "needs GitHub",
        }
        (tmp_path / "work").mkdir()
        return Runner(repository, tmp_path / "work", environment=environment, stand_ins=stand_ins, **options)

    return make


@pytest.mark.parametrize(
    ("result", "expected"), [("success", "success"), ("skipped", "success"), ("failure", "failure"), ("cancelled", "failure")]
)
def test_the_required_check_fails_when_a_job_failed_or_was_cancelled(
    runner: Callable[..., Runner], result: str, expected: str
) -> None:
    before = dict.fromkeys(CHECKS, "success") | {"backend": result}
    assert runner().run("_checks.yml", only={"required"}, before=before)["required"].result == expected


@pytest.mark.parametrize("result", ["success", "skipped", "failure"])
def test_the_comment_is_made_whatever_became_of_the_checks(runner: Callable[..., Runner], result: str) -> None:
    run = runner()
    (run.work / "artifacts/summary").mkdir(parents=True)
    before = dict.fromkeys(CHECKS, "success") | {"backend": result, "summary": "success"}
    github = {"event": {"pull_request": {"number": 1, "head": {"repo": {"full_name": "acme/project"}}}}}
    run.github = github
    assert run.run("_checks.yml", only={"comment"}, before=before)["comment"].result == "success"
    run.github = {"event": {"pull_request": {"number": 1, "head": {"repo": {"full_name": "stranger/fork"}}}}}
    assert run.run("_checks.yml", only={"comment"}, before=before)["comment"].result == "skipped"


def triggers(workflow: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(workflow.read_text())[True])  # YAML 1.1 reads the key `on` as true


@pytest.mark.requirement("FR-CI-001", "FR-CI-007")
def test_workflows_start_on_the_branches_of_the_requirements(repository: Path) -> None:
    folder = repository / ".github/workflows"
    checks = triggers(folder / "ci.yml")
    assert checks["pull_request"] == {"branches": ["main", "develop"]}  # no `paths`: a required check would stay pending
    assert "merge_group" in checks
    assert triggers(folder / "build.yml")["push"] == {"branches": ["main"]}
    assert "schedule" in triggers(folder / "security.yml")


@pytest.mark.requirement("FR-CI-007", "FR-CI-008", "FR-CI-009", "FR-CI-011")
@pytest.mark.parametrize(("attested", "left_out"), [("true", "sign"), ("false", "attest")])
def test_what_was_built_is_pushed_then_attested_or_signed(runner: Callable[..., Runner], attested: str, left_out: str) -> None:
    run = runner(event="push", variables={"IMAGE_RUNNERS": '["ubuntu-24.04"]', "ATTESTATIONS": attested})
    jobs = run.run("build.yml")
    print(report(run.jobs))
    assert {name: job.result for name, job in jobs.items()} == {"plan": "success", "images": "success", "publish": "success"}
    assert run.jobs[f"publish / {left_out}"].result == "skipped"
    head, log = git(run.repository, "rev-parse", "HEAD"), Path(run.environment["REGISTRY_LOG"]).read_text()
    for name in ("backend", "frontend"):
        assert jobs["publish"].outputs[name] == f"sha256:{1:064}"
        for tag in (f"sha-{head}", "latest"):
            assert f"docker://ghcr.io/acme/my-saas-{name}:{tag}\n" in log
    if attested == "true":
        steps = [step.outcome for step in run.jobs["publish / attest"].steps if step.name == "actions/attest"]
        assert steps == ["not run"] * 3 + ["skipped"] * 2  # where from; the SBOMs of amd64; of arm64 nothing was built
    else:
        assert log.count("sign --yes ghcr.io/acme/my-saas-") == 2


@pytest.mark.requirement("FR-CI-008", "FR-SEC-007")
def test_a_release_names_the_very_images_that_were_scanned(runner: Callable[..., Runner], repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    run = runner(has=f"sha-{head}", event="push")
    jobs = run.run("release.yml")
    print(report(run.jobs))
    assert {name: job.result for name, job in jobs.items()} == {"scan": "success", "release": "success"}
    log = Path(run.environment["REGISTRY_LOG"]).read_text()
    for name, digest in DIGESTS.items():
        image = f"docker://ghcr.io/acme/my-saas-{name}"
        assert f"{image}@{digest} docker-archive:" in log  # what is scanned
        for tag in ("1.2.3", "released"):
            assert f"{image}@{digest} {image}:{tag}\n" in log
    scans = [name for name, job in run.jobs.items() if "make scan-image" in job.not_run]
    expected = [f"scan / scan ({image}, {arch})" for image in DIGESTS for arch in ("amd64", "arm64")]
    assert scans == expected


def test_a_commit_without_images_is_not_released(runner: Callable[..., Runner]) -> None:
    run = runner(has="latest", event="push")
    jobs = run.run("release.yml")
    assert {name: job.result for name, job in jobs.items()} == {"scan": "failure", "release": "skipped"}


@pytest.mark.requirement("FR-SEC-007")
def test_what_is_published_is_scanned_every_night(runner: Callable[..., Runner]) -> None:
    run = runner(has="latest", variables={"IMAGE_RUNNERS": '["ubuntu-24.04"]'}, event="schedule")
    jobs = run.run("security.yml", only={"latest", "released"})
    print(report(run.jobs))
    assert {name: job.result for name, job in jobs.items()} == {"latest": "success", "released": "success"}
    assert run.jobs["released / scan"].result == "skipped"  # nothing was released yet
    assert "- Images under released: not run, since the registry has none" in run.summary
    assert run.summary.count("under latest, amd64, vulnerabilities: not run") == 2  # no report of Trivy: never "clean"


def test_a_registry_that_cannot_be_reached_is_no_reason_to_be_silent(runner: Callable[..., Runner]) -> None:
    jobs = runner(has="unreachable", event="schedule").run("security.yml", only={"latest", "released"})
    assert {name: job.result for name, job in jobs.items()} == {"latest": "failure", "released": "failure"}


@pytest.mark.requirement("FR-CI-006")
def test_the_badge_shows_the_coverage(repository: Path, tmp_path: Path) -> None:
    (step,) = [step for step in jobs_of(repository / ".github/workflows/_badge.yml")["coverage"]["steps"] if "run" in step]
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    (tmp_path / "reports/frontend-coverage").mkdir(parents=True)
    (tmp_path / "reports/backend-coverage.json").write_text(json.dumps({"totals": {"percent_covered": 98.7}}))
    (tmp_path / "reports/frontend-coverage/coverage-summary.json").write_text(json.dumps({"total": {"lines": {"pct": 94}}}))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GH_LOG": str(tmp_path / "log"), "GIT": "repos/acme/project/git"}
    for _ in range(2):
        subprocess.run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], cwd=tmp_path, env=environment, check=True)
    picture = ElementTree.parse(tmp_path / "coverage.svg").getroot()  # noqa: S314 - it was drawn a line above
    assert picture.get("aria-label") == "coverage: API 98 %, page 94 %"
    calls = [line for line in (tmp_path / "log").read_text().splitlines() if "refs" in line]
    moved = "api --method PATCH repos/acme/project/git/refs/heads/badges --field force=true --raw-field sha=commits --silent"
    made = "api repos/acme/project/git/refs --raw-field ref=refs/heads/badges --raw-field sha=commits --silent"
    assert calls == [moved, made, moved]


@pytest.mark.parametrize(
    ("event", "branch", "expected"),
    [("push", "main", "success"), ("push", "develop", "skipped"), ("schedule", "main", "skipped")],
)
def test_the_badge_is_that_of_the_default_branch(runner: Callable[..., Runner], event: str, branch: str, expected: str) -> None:
    jobs = runner(event=event, github={"ref_name": branch}).run("_badge.yml")
    assert jobs["coverage"].result == expected
