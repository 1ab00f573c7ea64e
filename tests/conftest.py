"""Fixtures that every suite shares. Whole projects are costly, so each is made once per session."""

import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.projects import Project
from support.releases import History, history, start_repository
from support.rendering import copy_template, questions, render
from support.workers import ByModule, turn


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the working tree, without its history. Tests only read it."""
    return copy_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def rendered(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return the project of some answers, rendered once per session. Tests only read it."""
    projects: dict[str, Path] = {}

    def project(**answers: Any) -> Path:
        key = repr(sorted(answers.items()))
        if key not in projects:
            projects[key] = render(template, tmp_path_factory.mktemp("rendered"), **answers)
        return projects[key]

    return project


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Return a clone of this repository with its releases tagged, and the working tree as the next. Tests only read it."""
    return history(tmp_path_factory.mktemp("history") / "template")


@pytest.fixture(scope="session")
def generated_by(released: History, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return the project of a release and some answers, rendered once per session. Tests only read it."""
    projects: dict[str, Path] = {}

    def project(version: str, **answers: Any) -> Path:
        key = f"{version} {sorted(answers.items())}"
        if key not in projects:
            projects[key] = render(released.folder, tmp_path_factory.mktemp("release") / "project", f"v{version}", **answers)
        return projects[key]

    return project


@pytest.fixture(scope="session")
def workshop(template: Path) -> Iterator[Callable[..., Project]]:
    """Return the installed project of some answers, in a folder with a space in its name, made once per session.

    Not below pytest's own temporary folder: every pytest that root starts, a project's own among them, closes that folder
    to other accounts, and PostgreSQL runs as one.
    """
    projects: dict[str, Project] = {}
    with tempfile.TemporaryDirectory(prefix="evergreen-", ignore_cleanup_errors=True) as root:
        Path(root).chmod(0o755)

        def project(**answers: Any) -> Project:
            known = questions()
            key = repr(sorted(item for item in answers.items() if item[1] != known[item[0]].get("default")))
            if key not in projects:
                folder = Path(root) / str(len(projects)) / "a project"
                start_repository(render(template, folder, **answers))
                projects[key] = Project(folder)
                projects[key].install()
            return projects[key]

        yield project


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByModule:
    return ByModule(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with turn(item.config, alone=item.get_closest_marker("alone") is not None):
        return (yield)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--list-requirements", action="store_true", help="print requirement and test, tab-separated")


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.getoption("--list-requirements"):
        for item in session.items:
            for mark in item.iter_markers("requirement"):
                for identifier in mark.args:
                    print(f"requirement\t{identifier}\t{item.nodeid}")
