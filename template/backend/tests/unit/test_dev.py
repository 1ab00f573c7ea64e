"""What `make dev` starts and ends, and the ports that it chooses."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from subprocess import PIPE

import pytest

from dev.console import Console, DevError
from dev.lock import Lock, started
from dev.ports import Ports, answers, any_free_port, is_free, listener
from dev.processes import Child
from dev.stack import trouble_with_issuer
from tests.servers import PATIENCE, until

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


SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
#: Starts a child of its own, tells its pid, ignores SIGTERM if told to, and waits.
PARENT = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
if "stubborn" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(child.pid, flush=True)
time.sleep(600)
"""
#: Serves HTTP once there is a file `begin`.
LATE = """
import http.server, pathlib, sys, time
while not pathlib.Path("begin").exists():
    time.sleep(0.05)
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind="127.0.0.1")
"""


def is_alive(pid: int) -> bool:
    if not Path("/proc/self").exists():
        return bool(started(pid))
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # it may end while it is looked at
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


async def until_printed(text: str, capsys: pytest.CaptureFixture[str]) -> str:
    printed = ""

    def is_printed() -> bool:
        nonlocal printed
        printed += capsys.readouterr().out
        return text in printed

    await until(is_printed)
    return printed


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[Lock]:
    with closing(Lock(tmp_path / "lock")) as lock:
        lock.acquire()
        yield lock


def acquire(path: Path) -> list[int]:
    with closing(Lock(path)) as lock:
        return lock.acquire()


@pytest.mark.parametrize("how", ["willing", "stubborn"])
async def test_grandchildren_are_ended_too(
    how: str,
    lock: Lock,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if how == "stubborn":
        monkeypatch.setattr("dev.processes.GRACE", 0.2)
    child = Child("part", Console(), lock)
    await child.start([sys.executable, "-c", PARENT, how], tmp_path, os.environ)
    grandchild = int((await until_printed("\n", capsys)).rpartition("|")[2])
    assert is_alive(grandchild)
    await asyncio.wait_for(child.stop(), PATIENCE)
    await until(lambda: not is_alive(grandchild))


async def test_an_end_is_seen_although_a_grandchild_holds_the_output(
    lock: Lock, tmp_path: Path
) -> None:
    program = "import subprocess; subprocess.Popen(['sleep', '600']); print('last words'); exit(3)"
    child = Child("part", Console(), lock)
    await child.start([sys.executable, "-c", program], tmp_path, os.environ)
    status = await asyncio.wait_for(child.ended(), PATIENCE)
    assert status == 3
    assert str(child.failure(status)) == "part failed with 3. Its last lines:\nlast words"
    await child.stop()


async def test_a_program_that_is_not_there_is_named(lock: Lock, tmp_path: Path) -> None:
    with pytest.raises(DevError, match=r"part: no-such-program is not there\. `make install`"):
        await Child("part", Console(), lock).start(["no-such-program"], tmp_path, os.environ)


@pytest.fixture
async def late(lock: Lock, tmp_path: Path) -> AsyncIterator[tuple[Child, str]]:
    """A part that answers once there is a file `begin`, and where it will."""
    port = any_free_port()
    child = Child("part", Console(), lock)
    await child.start([sys.executable, "-c", LATE, str(port)], tmp_path, os.environ)
    yield child, f"http://127.0.0.1:{port}/"
    await child.stop()


async def test_a_part_that_does_not_answer_is_given_up(
    late: tuple[Child, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dev.processes.PATIENCE", 0.2)
    child, url = late
    with pytest.raises(DevError, match=rf"part did not answer at {url} within"):
        await child.until_ready(url)


async def test_a_part_that_is_slow_to_answer_is_spoken_of_once_and_waited_for(
    late: tuple[Child, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dev.processes.SOON", 0.0)
    monkeypatch.setattr("dev.processes.PATIENCE", 0.0)
    child, url = late
    waiting = asyncio.create_task(child.until_ready(url, gives_up=False))
    said = await until_printed("part does not answer yet (", capsys)
    (tmp_path / "begin").touch()
    await asyncio.wait_for(waiting, PATIENCE)
    assert (said + capsys.readouterr().out).count("part does not answer yet (") == 1


async def test_a_part_that_ends_before_it_answers_is_not_waited_for(
    lock: Lock, tmp_path: Path
) -> None:
    child = Child("part", Console(), lock)
    await child.start([sys.executable, "-c", "exit(3)"], tmp_path, os.environ)
    with pytest.raises(DevError, match="part failed with 3"):
        await child.until_ready(f"http://127.0.0.1:{any_free_port()}/", gives_up=False)


def test_a_second_run_is_refused_with_the_pid_of_the_first(tmp_path: Path, lock: Lock) -> None:
    with pytest.raises(DevError, match=rf"already \(pid {os.getpid()}\)"):
        acquire(tmp_path / "lock")
    lock.close()
    assert acquire(tmp_path / "lock") == []


def test_what_a_killed_run_left_is_ended(tmp_path: Path) -> None:
    left = subprocess.Popen(SLEEP, start_new_session=True)
    children = {left.pid: started(left.pid)}
    (tmp_path / "lock").write_text(json.dumps({"pid": 1, "children": children}))
    # Whose child it was has ended as well, so that somebody else waits for it.
    threading.Thread(target=left.wait, daemon=True).start()
    assert acquire(tmp_path / "lock") == [left.pid]
    assert left.wait(PATIENCE) == -signal.SIGTERM


def test_a_pid_that_is_another_process_by_now_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen(SLEEP, start_new_session=True)
    children = {other.pid: "Thu Jan  1 00:00:00 1970"}
    (tmp_path / "lock").write_text(json.dumps({"pid": 1, "children": children}))
    assert acquire(tmp_path / "lock") == []
    assert other.poll() is None
    other.kill()
    other.wait()


@pytest.mark.parametrize("text", ["", "{", "[]", "4711"])
def test_a_damaged_lock_is_no_obstacle(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    assert acquire(tmp_path / "lock") == []


DISCOVERY = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[2].encode())
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.mark.parametrize(
    ("document", "trouble"),
    [
        ('{"issuer": "ISSUER"}', None),
        ('{"issuer": "http://elsewhere"}', "calls itself http://elsewhere"),
        ("<html>", "is not answered as a provider does"),
        ("[]", "is not answered as a provider does"),
    ],
)
async def test_a_provider_that_is_given_is_asked_who_it_is(
    lock: Lock, tmp_path: Path, document: str, trouble: str | None
) -> None:
    port = any_free_port()
    issuer = f"http://127.0.0.1:{port}"
    said = document.replace("ISSUER", issuer)
    child = Child("provider", Console(), lock)
    await child.start([sys.executable, "-c", DISCOVERY, str(port), said], tmp_path, os.environ)
    await child.until_ready(issuer)
    found = await trouble_with_issuer(issuer)
    await child.stop()
    assert found == trouble if trouble is None else trouble in str(found)


async def test_a_provider_that_is_given_and_does_not_answer_is_named() -> None:
    issuer = f"http://127.0.0.1:{any_free_port()}"
    assert f"OIDC_ISSUER: {issuer}/" in str(await trouble_with_issuer(issuer))
