"""The generated project's own checks, as its team runs them: linters, formatters, types, and its test suites.

Those of a project with the default answers are run by its own workflows, in test_workflow_jobs.py, where each must also fail.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.projects import UNUSUAL, Project, runners_without_tests
from support.releases import commit_all, git

SERVERS = "tests/integration/test_dev_servers.py tests/integration/test_serving.py tests/unit/test_dev.py"
"""Tests of a project that start, count and end servers and processes, and so could meet those of another."""


def test_make_check_passes_without_observability(workshop: Callable[..., Project]) -> None:
    project = workshop(include_observability=False)
    project.make("check")
    assert left_to_commit(project) == []


@pytest.mark.verify
def test_two_projects_check_and_test_themselves_at_once(workshop: Callable[..., Project]) -> None:
    """One whole suite, without observability, and beside it what starts and ends servers; other answers in each.

    The whole suite of the second's answers runs in test_add_a_module.py.
    """
    projects = {
        workshop(project_name="3rd", api_prefix="/v2/api", include_observability=False, keycloak_port=8180): "",
        workshop(**UNUSUAL): SERVERS,
    }
    with ThreadPoolExecutor(len(projects)) as pool:
        printed = list(pool.map(lambda project: project.make("check", "test", ARGS=projects[project], NO_COLOR="1"), projects))
    assert [runners_without_tests(text) for text in printed] == [[], []]
    assert [left_to_commit(project) for project in projects] == [[], []]


def left_to_commit(project: Project) -> list[str]:
    """Return what the tools wrote that is not ignored, lock files aside, which the team commits."""
    locks = ("uv.lock", "package-lock.json")
    return [line for line in git(project.path, "status", "--porcelain").splitlines() if not line.endswith(locks)]


def test_the_first_commit_passes_whatever_hooks_the_project_brings(workshop: Callable[..., Project]) -> None:
    project = workshop()
    commit_all(project.path, "Change nothing")
    assert git(project.path, "diff", "--check", git(project.path, "hash-object", "-t", "tree", "/dev/null"), "HEAD") == ""
