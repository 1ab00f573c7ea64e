"""The generated project's own checks, as its team runs them: linters, formatters, types, and its test suites."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.projects import CommandFailedError, Project
from support.releases import commit_all, git

VARIANTS: dict[str, dict[str, Any]] = {
    "with observability": {"include_observability": True},
    "without observability": {"include_observability": False},
}
PLANTED = {
    "a lint error": ("backend/app/modules/planted.py", "import os\n"),
    "a formatting error": ("backend/app/modules/planted.py", "value = [ 1,2 ]\n"),
    "a type error": ("backend/app/modules/planted.py", 'number: int = "one"\n'),
    "a frontend lint error": ("frontend/src/modules/planted.ts", "export const value: any = 1;\n"),
    "a frontend formatting error": ("frontend/src/modules/planted.ts", "export const value = {a:1}\n"),
    "a frontend type error": ("frontend/src/modules/planted.ts", 'export const value: number = "one";\n'),
}


@pytest.fixture(params=VARIANTS.values(), ids=list(VARIANTS), scope="module")
def project(request: pytest.FixtureRequest, workshop: Callable[..., Project]) -> Project:
    return workshop(**request.param)


def test_make_check_passes(project: Project) -> None:
    project.make("check")


#: What the three runners print of tests that passed: a run that finds none passes as well.
RUNNERS = {"pytest": r"\b[1-9]\d* passed in ", "vitest": r"Tests +[1-9]\d* passed", "node --test": r"^\S pass [1-9]"}


def test_make_test_passes_and_runs_the_tests_of_every_part(workshop: Callable[..., Project]) -> None:
    printed = workshop(**VARIANTS["with observability"]).make("test", NO_COLOR="1")
    assert [runner for runner, summary in RUNNERS.items() if not re.search(summary, printed, re.MULTILINE)] == [], printed[-2000:]


def test_checking_and_testing_leave_nothing_to_commit(project: Project) -> None:
    """What the tools write is ignored, lock files aside, which the team commits."""
    locks = ("uv.lock", "package-lock.json")
    left = [line for line in git(project.path, "status", "--porcelain").splitlines() if not line.endswith(locks)]
    assert left == []


@pytest.mark.parametrize(("path", "content"), PLANTED.values(), ids=list(PLANTED))
def test_make_check_finds(path: str, content: str, workshop: Callable[..., Project]) -> None:
    project = workshop(**VARIANTS["with observability"])
    planted = project.path / path
    planted.write_text(content)
    try:
        with pytest.raises(CommandFailedError, match="planted"):
            project.make("check-backend" if path.startswith("backend") else "check-frontend")
    finally:
        planted.unlink()


@pytest.mark.verify
def test_three_projects_check_and_test_themselves_at_once(workshop: Callable[..., Project]) -> None:
    """One of them is without observability, which `make test` here checks and does not test."""
    names: list[dict[str, Any]] = [
        {"project_name": 'Äcme "Orders" & Sons\''},
        {"project_name": "Zwei", "backend_port": 8100, "frontend_port": 5273, "postgres_port": 5532, "redis_port": 6479},
        {"project_name": "3rd", "api_prefix": "/v2/api", "include_observability": False, "keycloak_port": 8180},
    ]
    projects = [workshop(**answers) for answers in names]
    with ThreadPoolExecutor(len(projects)) as pool:
        list(pool.map(lambda project: project.make("check", "test"), projects))


def test_the_first_commit_passes_whatever_hooks_the_project_brings(workshop: Callable[..., Project]) -> None:
    project = workshop(**VARIANTS["with observability"])
    commit_all(project.path, "Change nothing")
    assert git(project.path, "diff", "--check", git(project.path, "hash-object", "-t", "tree", "/dev/null"), "HEAD") == ""
