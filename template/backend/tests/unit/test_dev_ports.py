"""Ports of this machine, and the choice of them by `make dev`."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from subprocess import PIPE

import pytest

from dev.console import DevError
from dev.ports import Ports, answers, any_free_port, is_free, listener

SERVER = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    input()
"""


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_default_gives_the_next_free_one_and_says_so(taken: int) -> None:
    said: list[str] = []
    with closing(Ports({}, said.append)) as ports:
        port = ports.choose("REDIS_PORT", taken)
    assert port > taken
    assert len(said) == 1
    assert said[0].startswith(f"Port {taken} is taken by pid {os.getpid()} (")
    assert said[0].endswith(f"Using {port}.")


def test_a_port_set_by_hand_is_used_or_refused(taken: int) -> None:
    with pytest.raises(DevError, match=rf"(?s)Port {taken} is taken by pid \d+.*REDIS_PORT"):
        Ports({"REDIS_PORT": str(taken)}, print).choose("REDIS_PORT", 6379)


@pytest.mark.parametrize("text", ["x", "80", "70000", "-1"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(DevError, match="REDIS_PORT"):
        Ports({"REDIS_PORT": text}, print).choose("REDIS_PORT", 6379)


def test_two_runs_do_not_choose_the_same_port() -> None:
    with closing(Ports({}, print)) as first, closing(Ports({}, print)) as second:
        port = first.choose("BACKEND_PORT", 42_000)
        assert second.choose("BACKEND_PORT", port) != port
        first.close()
        assert second.choose("FRONTEND_PORT", port) == port


def test_a_server_on_ipv6_alone_makes_a_port_taken() -> None:
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as server,
        closing(Ports({}, print)) as ports,
    ):
        port = server.getsockname()[1]
        assert ports.choose("FRONTEND_PORT", port) != port


def test_the_listener_is_another_process() -> None:
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        assert f"pid {process.pid} (" in str(listener(int(process.stdout.readline())))
        process.kill()
    assert listener(1) is None


def test_a_port_with_a_server_is_taken_and_answers(taken: int) -> None:
    assert not is_free(taken)
    assert answers(taken)


def test_a_server_on_all_addresses_takes_the_port_as_well() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - that is the point
        assert not is_free(server.getsockname()[1])


def test_an_unused_port_is_free_and_does_not_answer() -> None:
    port = any_free_port()

    assert is_free(port)
    assert not answers(port)


def test_running_out_of_ports_is_said() -> None:
    with closing(Ports({}, print)) as ports:
        ports.choose("BACKEND_PORT", 65_535)
        with pytest.raises(DevError, match=r"No port from 65535 to 65535 is free\. Set REDIS_PORT"):
            ports.choose("REDIS_PORT", 65_535)
