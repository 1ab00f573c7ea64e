"""What `make dev` starts, and how it ends it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dev.console import Console, DevError
from dev.lock import Lock, started
from dev.ports import any_free_port
from dev.processes import Child

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
#: Starts a child of its own, tells its pid, ignores SIGTERM if told to, and waits.
PARENT = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
if "stubborn" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(child.pid, flush=True)
time.sleep(60)
"""
#: Serves HTTP after two seconds.
SLOW = """
import http.server, sys, time
time.sleep(2)
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind="127.0.0.1")
"""


def is_alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    if state.parent.parent.joinpath("self").exists():
        return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"
    return bool(started(pid))


async def until(text: str, capsys: pytest.CaptureFixture[str]) -> str:
    printed = ""
    while text not in printed:
        await asyncio.sleep(0.05)
        printed += capsys.readouterr().out
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
    how: str, lock: Lock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    child = Child("part", Console(), lock)
    await child.start([sys.executable, "-c", PARENT, how], tmp_path, os.environ)
    grandchild = int((await until("\n", capsys)).rpartition("|")[2])
    assert is_alive(grandchild)
    begun = time.monotonic()
    await child.stop()
    assert time.monotonic() - begun < 8
    assert not is_alive(grandchild)


async def test_an_end_is_seen_although_a_grandchild_holds_the_output(
    lock: Lock, tmp_path: Path
) -> None:
    program = "import subprocess; subprocess.Popen(['sleep', '60']); print('last words'); exit(3)"
    child = Child("part", Console(), lock)
    await child.start([sys.executable, "-c", program], tmp_path, os.environ)
    status = await asyncio.wait_for(child.ended(), 10)
    assert status == 3
    assert str(child.failure(status)) == "part failed with 3. Its last lines:\nlast words"
    await child.stop()


async def test_a_program_that_is_not_there_is_named(lock: Lock, tmp_path: Path) -> None:
    with pytest.raises(DevError, match=r"part: no-such-program is not there\. `make install`"):
        await Child("part", Console(), lock).start(["no-such-program"], tmp_path, os.environ)


async def test_a_part_that_is_slow_to_answer_is_waited_for_and_spoken_of(
    lock: Lock, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dev.processes.SOON", 0.2)
    monkeypatch.setattr("dev.processes.PATIENCE", 0.5)
    port = any_free_port()
    url = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "-c", SLOW, str(port)]
    child = Child("part", Console(), lock)
    await child.start(command, tmp_path, os.environ)
    with pytest.raises(DevError, match=rf"part did not answer at {url} within"):
        await child.until_ready(url)
    await asyncio.wait_for(child.until_ready(url, gives_up=False), 10)
    await child.stop()
    assert capsys.readouterr().out.count("part does not answer yet (") == 2


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
    assert acquire(tmp_path / "lock") == [left.pid]
    assert left.wait(5) == -signal.SIGTERM


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
