"""A person's way through the application in a real browser: the project's own end-to-end tests, on two kinds of server.

They log in by code and PKCE, reload, add, complete and delete a todo, log out, try the old token, look for errors in the
console, and have axe judge every page; a user of another tenant sees nothing of it.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.nginx import serving
from support.ports import free_ports
from support.projects import Project
from support.tools import program

JOURNEYS = 10
"""At least so many tests have to run: a run that finds none passes as well."""


@pytest.fixture(scope="module")
def project(workshop: Callable[..., Project]) -> Project:
    program("chromium", "chromium")
    return workshop(include_observability=True)


def passed(printed: str) -> int:
    """Return how many tests Playwright says have passed."""
    found = re.search(r"^\s*(\d+) passed", printed, flags=re.MULTILINE)
    return int(found.group(1)) if found else 0


@pytest.mark.verify
def test_the_journeys_on_the_development_stack(project: Project) -> None:
    assert passed(project.make("e2e")) >= JOURNEYS


@pytest.mark.verify
def test_the_journeys_on_the_production_build_behind_nginx(project: Project, tmp_path: Path) -> None:
    project.run("npm", "--prefix", "frontend", "run", "--silent", "build")
    backend, page = free_ports(2)
    with serving(project.path, tmp_path, page, "/api/v1", f"http://127.0.0.1:{backend}") as address:
        stack = "cd backend && exec .venv/bin/python -m dev --no-frontend --fresh --state ../.dev/nginx"
        printed = project.run(
            "sh",
            "-euc",
            f"{stack} -- npm --prefix ../frontend run --silent e2e",
            ENV="test",
            BACKEND_PORT=str(backend),
            PUBLIC_URL=address,
        )
    assert passed(printed) >= JOURNEYS


def test_the_page_loads_little_javascript(workshop: Callable[..., Project]) -> None:
    """The budget is the project's own (frontend/scripts/size.js): 45 kB compressed at first load."""
    printed = workshop(include_observability=True).run(
        "sh", "-euc", "cd frontend && npm run --silent build && npm run --silent size"
    )
    assert "kB" in printed
