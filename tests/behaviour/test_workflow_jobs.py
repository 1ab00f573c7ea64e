"""The jobs of a generated project's workflows, run step by step on its first commit. support/workflow_runner.py says how."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.ports import free_ports
from support.projects import Project, clean_environment, runners_without_tests
from support.releases import commit_all, git
from support.workflow_runner import Runner, report

NO_DATABASE = "the databases of vulnerabilities cannot be reached from here; test_vulnerabilities.py judges reports"
NO_DOCKER = "needs Docker; test_images.py builds with buildah"
#: Steps that need what this machine has not, and why. Docker's PostgreSQL and Redis are mapped to local ones.
NOT_HERE: dict[str, str | Callable[[Path], str]] = {
    r"^make (audit-python|audit-npm|scan-tree|scan-image)$": NO_DATABASE,
    r"^make (image|e2e-images)$": NO_DOCKER,
    r"^docker compose up .* postgres redis$": lambda _: "mapped to the PostgreSQL and Redis of the fixture",
}
LOCKS = ("backend/uv.lock", "frontend/package-lock.json", "keycloak/package-lock.json")
START_SERVERS = """\
import sys
from pathlib import Path
from dev.postgres import Postgres
from dev.redis import Redis
folder, postgres_port, redis_port = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
postgres, redis = Postgres(folder / "postgres", postgres_port, durable=False), Redis(folder / "redis", redis_port, durable=False)
postgres.start(); redis.start()
print("ready", flush=True)
sys.stdin.read()
redis.stop(); postgres.stop()
"""


@pytest.fixture(scope="module")
def installed(workshop: Callable[..., Project]) -> Project:
    return workshop()


@pytest.fixture(scope="module")
def ports(installed: Project) -> Iterator[dict[int, int]]:
    """A PostgreSQL and a Redis, as the job's services: empty, reached by TCP, with the password of development."""
    postgres, redis = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="services-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        command = [".venv/bin/python", "-c", START_SERVERS, folder, str(postgres), str(redis)]
        process = subprocess.Popen(
            command,
            cwd=installed.path / "backend",
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout
            assert process.stdout.readline().strip() == "ready"
            yield {5432: postgres, 6379: redis}
        finally:
            process.communicate(timeout=60)


@pytest.fixture
def runner(installed: Project, ports: dict[int, int]) -> Iterator[Callable[..., Runner]]:
    """Return a maker of runners; `change` edits the project before its first commit."""
    with tempfile.TemporaryDirectory(prefix="workflow-", ignore_cleanup_errors=True) as root:
        folder = Path(root)
        folder.chmod(0o755)

        def make(change: Callable[[Path], None] = lambda _: None, **options: Any) -> Runner:
            repository = folder / "repository"
            subprocess.run(["git", "clone", "--quiet", str(installed.path), str(repository)], check=True)
            shutil.rmtree(repository / ".git")
            change(repository)
            git(repository, "init", "--quiet")
            commit_all(repository, "Start from the template")
            options = {"event": "push"} | options

            def prepare(workspace: Path) -> None:
                """Have what is installed already at hand, as a cache of packages would; the job's own commands install."""
                for path in ("backend/.venv", "frontend/node_modules", "keycloak/node_modules"):
                    subprocess.run(["cp", "--archive", "--link", str(installed.path / path), str(workspace / path)], check=True)

            return Runner(repository, folder / "run", prepare=prepare, ports=ports, stand_ins=NOT_HERE, **options)

        yield make


def with_locks(installed: Project) -> Callable[[Path], None]:
    def add(repository: Path) -> None:
        for lock in LOCKS:
            shutil.copy2(installed.path / lock, repository / lock)

    return add


@pytest.mark.requirement("FR-CI-001", "FR-CI-002", "FR-CI-003", "FR-CI-004", "FR-CI-005", "FR-CI-006", "FR-SEC-012")
@pytest.mark.parametrize(
    "locks", [pytest.param(False, id="without lock files"), pytest.param(True, id="with lock files", marks=pytest.mark.verify)]
)
def test_every_job_passes_on_the_first_commit(runner: Callable[..., Runner], installed: Project, locks: bool) -> None:
    run = runner(with_locks(installed) if locks else lambda _: None)
    jobs = run.run("ci.yml")
    print(report(run.jobs))

    assert {name: job.result for name, job in jobs.items()} == {"checks": "success"}
    assert {name for name, job in run.jobs.items() if job.result == "skipped"} == {
        "checks / images / build",  # of a push; build.yml builds what was merged
        "checks / images / e2e",
        "checks / security / dependency-review",
        "checks / comment",
    }
    listed = {(name, step) for name, job in run.jobs.items() for step in job.not_run if step.startswith("make ")}
    assert listed == {
        ("checks / security / audit", "make audit-python"),
        ("checks / security / audit", "make audit-npm"),
        ("checks / security / trivy", "make scan-tree"),
    }
    assert runners_without_tests("\n".join(step.output for job in run.jobs.values() for step in job.steps)) == []
    summary = (run.work / "artifacts/summary/summary.md").read_text()
    assert " tests passed, 0 failed" in summary
    assert "- Secrets detected: 0" in summary
    assert "Dependency vulnerabilities: not run" in summary


def append(path: str, text: str) -> Callable[[Path], None]:
    def change(repository: Path) -> None:
        file = repository / path
        file.write_text((file.read_text() if file.exists() else "") + text)

    return change


def only_tests(suite: str, path: str, text: str) -> Callable[[Path], None]:
    """Leave one test of a suite, which saves minutes."""

    def change(repository: Path) -> None:
        for test in repository.glob(suite):
            test.unlink()
        (repository / path).write_text(text)

    return change


BACKEND_SUITE, FRONTEND_SUITE = "backend/tests/*/test_*.py", "frontend/src/**/*.test.ts"
FAULTS = {
    "a lint error in the API": (append("backend/app/main.py", "import os\n"), "backend", "lint", "make check-backend"),
    "a type error in the API": (append("backend/app/main.py", '\nCOUNT: int = "one"\n'), "backend", "lint", "make check-backend"),
    "a file of the API in another form": (
        append("backend/app/main.py", "\nCOUNT  =  1\n"),
        "backend",
        "lint",
        "make check-backend",
    ),
    "a failing test of the API": (
        only_tests(BACKEND_SUITE, "backend/tests/unit/test_it.py", "def test_it() -> None:\n    assert 1 == 2\n"),
        *("backend", "test", "make coverage-backend"),
    ),
    "a lint error in the page": (
        append("frontend/src/router.ts", "\nvar unused = 1;\n"),
        "frontend",
        "lint",
        "make check-frontend",
    ),
    "a type error in the page": (
        append("frontend/src/router.ts", '\nexport const count: number = "one";\n'),
        *("frontend", "lint", "make check-frontend"),
    ),
    "a file of the page in another form": (
        append("frontend/src/router.ts", "\nexport const count  =  1;\n"),
        *("frontend", "lint", "make check-frontend"),
    ),
    "a failing test of the page": (
        only_tests(
            FRONTEND_SUITE,
            "frontend/src/it.test.ts",
            'import { expect, it } from "vitest";\n\nit("fails", () => {\n  expect(1).toBe(2);\n});\n',
        ),
        *("frontend", "test", "make coverage-frontend"),
    ),
    "a page that cannot be built": (
        append("frontend/src/main.ts", '\nimport "./nowhere.ts";\n'),
        "frontend",
        "test",
        "make build-frontend",
    ),
}


@pytest.mark.verify
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_the_right_job(runner: Callable[..., Runner], fault: str) -> None:
    change, part, job, command = FAULTS[fault]
    run = runner(change)
    plan = run.run("_plan.yml")["plan"].outputs
    jobs = run.run(f"_{part}.yml", plan, only={job})
    print(report(run.jobs))

    assert jobs[job].result == "failure"
    assert [step.partition(" check-keycloak")[0] for step in jobs[job].failed] == [command]
    (output,) = (step.output for step in jobs[job].steps if step.outcome == "failed")
    assert any(file in output for file in ("app/main.py", "router.ts", "test_it.py", "it.test.ts", "nowhere.ts"))
    uploaded = [step for step in jobs[job].steps if step.name == "actions/upload-artifact"]
    assert [step.outcome for step in uploaded] == ["succeeded"] * len(uploaded)


@pytest.mark.verify
def test_a_lock_that_does_not_fit_fails(runner: Callable[..., Runner], installed: Project) -> None:
    def change(repository: Path) -> None:
        with_locks(installed)(repository)
        described = repository / "backend/pyproject.toml"
        described.write_text(described.read_text().replace('"alembic>=', '"attrs>=25",\n    "alembic>='))

    run = runner(change)
    jobs = run.run("_backend.yml", run.run("_plan.yml")["plan"].outputs, only={"lint"})
    print(report(run.jobs))
    assert jobs["lint"].failed == ["make check-locks-backend"]
