"""`make dev` of a generated project: everything starts without Docker, says where it is, and stops without a trace."""

import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.ports import free_ports
from support.projects import CommandFailedError, Project
from support.stack import Stack, processes_of, running


@pytest.fixture(scope="module")
def project(workshop: Callable[..., Project]) -> Project:
    return workshop(include_observability=True)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "dev.log"


@pytest.fixture
def occupied() -> Iterator[int]:
    """A port that something else listens on."""
    with socket.create_server(("127.0.0.1", *free_ports(1))) as server:
        yield server.getsockname()[1]


def get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=60) as response:  # noqa: S310 - our own server
        return json.loads(response.read())


def wait_until_gone(project: Project) -> list[psutil.Process]:
    deadline = time.monotonic() + 60
    while (left := processes_of(project)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def test_it_serves_page_api_and_provider_and_ctrl_c_leaves_nothing_running(project: Project, log: Path) -> None:
    with running(project, log) as stack:
        assert get(f"{stack.facts['api']}/health/ready") == {"status": "ready", "database": "ok", "pool": "ok", "redis": "ok"}
        assert get(f"{stack.facts['issuer']}/.well-known/openid-configuration")["issuer"] == stack.facts["issuer"]
        assert get(f"{stack.facts['page']}/api/v1/auth/config")["issuer"] == stack.facts["issuer"]
        with urllib.request.urlopen(stack.facts["page"], timeout=60) as page:  # noqa: S310 - our own server
            assert "<title>My SaaS</title>" in page.read().decode()
        for login in stack.facts["logins"]:
            assert login["email"] in stack.printed()
        assert stack.facts["page"] in stack.printed()
        stack.interrupt()
    assert wait_until_gone(project) == []


def test_a_second_stack_of_the_same_project_is_refused_with_the_pid_of_the_first(project: Project, log: Path) -> None:
    with running(project, log, "--no-frontend") as stack:
        with pytest.raises(CommandFailedError, match=str(stack.facts["pid"])):
            project.make("dev")
        assert get(f"{stack.facts['api']}/health") == {"status": "healthy"}


def test_a_port_taken_by_default_gives_way_and_says_so(workshop: Callable[..., Project], occupied: int, log: Path) -> None:
    project = workshop(include_observability=True, backend_port=occupied)
    with running(project, log, "--no-frontend") as stack:
        assert stack.facts["ports"]["backend"] != occupied
        assert f"Port {occupied} is taken by pid {os.getpid()}" in stack.printed()
        assert get(f"{stack.facts['api']}/health") == {"status": "healthy"}


def test_a_port_set_by_hand_and_taken_is_an_error_that_names_its_holder(project: Project, occupied: int) -> None:
    with pytest.raises(CommandFailedError) as failure:
        project.make("dev", BACKEND_PORT=str(occupied))
    assert f"pid {os.getpid()}" in str(failure.value)
    assert "BACKEND_PORT" in str(failure.value)
    assert "Traceback" not in str(failure.value)


def test_after_a_kill_the_next_run_cleans_up_and_keeps_the_data(project: Project, log: Path) -> None:
    with running(project, log, "--no-frontend") as stack:
        os.kill(stack.facts["pid"], signal.SIGKILL)
        stack.process.wait(60)
    with running(project, log, "--no-frontend") as again:
        assert get(f"{again.facts['api']}/health/ready")["status"] == "ready"
        again.interrupt()
    assert wait_until_gone(project) == []


def test_it_refuses_to_run_for_production(project: Project) -> None:
    with pytest.raises(CommandFailedError, match="development"):
        project.make("dev", ENV="production")


def test_three_stacks_run_side_by_side(workshop: Callable[..., Project], tmp_path: Path) -> None:
    projects = [
        workshop(include_observability=True),
        workshop(include_observability=False),
        workshop(include_observability=True, project_name="Zwei"),
    ]
    with (
        running(projects[0], tmp_path / "1.log", "--no-frontend") as first,
        running(projects[1], tmp_path / "2.log", "--no-frontend") as second,
        running(projects[2], tmp_path / "3.log", "--no-frontend") as third,
    ):
        stacks: list[Stack] = [first, second, third]
        assert [get(f"{stack.facts['api']}/health/ready")["status"] for stack in stacks] == ["ready"] * 3
        ports = [port for stack in stacks for port in stack.facts["ports"].values()]
        assert len(set(ports)) == len(ports)
