"""A server with several workers: its metrics are those of all, kept in a folder of its own."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from app.features.observability.registry import (
    VARIABLE,
    forget_dead_workers,
    prepare_folder,
    start_time,
)
from tests.observability_server import sample, scrape, serve, wait_for


def test_the_numbers_of_all_workers_add_up_and_survive_a_worker(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    with serve(tmp_path / "log", workers=2, PROMETHEUS_MULTIPROC_DIR=str(folder)) as address:
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: ask(address, 0.05), range(120)))
        workers = set(answers)
        assert len(workers) > 1, "one worker has served everything, so nothing is shown"
        assert {served(address) for _ in range(10)} == {120.0}, "each worker tells of all"

        victim = answers[0]
        busy = threading.Thread(target=ask_in_vain, args=(f"{address}/slow/60",), daemon=True)
        busy.start()
        wait_for(lambda: sample(scrape(address), "http_requests_in_progress") == 1)
        for worker in workers - {victim}:
            os.kill(worker, signal.SIGKILL)
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: sample(scrape(address), "db_pool_size") == 20)

        assert served(address) == 120, "what dead workers have counted stays counted"
        assert sample(scrape(address), "http_requests_in_progress") == 0
        (server,) = folder.iterdir()

    with serve(tmp_path / "log", PROMETHEUS_MULTIPROC_DIR=str(folder)) as address:
        assert served(address) is None, "a new server begins at zero"
        assert not server.exists()


def test_a_crash_in_any_worker_is_counted(tmp_path: Path) -> None:
    with serve(tmp_path / "log", workers=2) as address:
        statuses = [httpx2.get(f"{address}/crash").status_code for _ in range(20)]
        crashes = sample(scrape(address), "http_requests_total", route="/crash", status="500")

    assert statuses == [500] * 20
    assert crashes == 20


def ask(address: str, seconds: float) -> int:
    """Have a worker be busy; returns which one it was."""
    return int(httpx2.get(f"{address}/slow/{seconds}").raise_for_status().text)


def ask_in_vain(url: str) -> None:
    with suppress(httpx2.TransportError):
        httpx2.get(url, timeout=60)


def served(address: str) -> float | None:
    return sample(scrape(address), "http_requests_total", route="/slow/{seconds}", status="200")


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "made on demand"))
    return tmp_path / "made on demand"


@pytest.fixture
def gone() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_every_worker_of_a_server_gets_the_same_folder(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare_folder()
    monkeypatch.setenv(VARIABLE, str(parent))

    assert prepare_folder() == first
    assert first.parent == parent
    assert first.stat().st_mode & 0o077 == 0


def test_prometheus_client_is_told_of_the_folder(parent: Path) -> None:
    folder = prepare_folder()

    assert os.environ[VARIABLE] == str(folder)


def test_folders_of_servers_that_are_gone_are_removed(parent: Path, gone: int) -> None:
    for leftover in (f"{gone}-1", f"{os.getpid()}-1"):  # gone; and its id given to another since
        (parent / leftover).mkdir(parents=True)
        (parent / leftover / "counter_1.db").touch()

    folder = prepare_folder()

    assert list(parent.iterdir()) == [folder]


def test_the_folder_of_a_server_that_runs_is_left_alone(parent: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "30"]) as other:
        theirs = parent / f"{other.pid}-{start_time(other.pid)}"
        theirs.mkdir(parents=True)
        prepare_folder()
        other.terminate()

    assert theirs.exists()


def test_other_files_in_the_folder_are_left_alone(parent: Path) -> None:
    for name in ("notes", "1-", "-1", "not-a-pid"):
        (parent / name).mkdir(parents=True)

    prepare_folder()

    assert len(list(parent.iterdir())) == 5


def test_another_users_folder_is_refused(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12345)

    with pytest.raises(PermissionError, match=f"user 12345.*{VARIABLE}"):
        prepare_folder()


def test_only_gauges_of_workers_that_are_gone_are_dropped(tmp_path: Path, gone: int) -> None:
    kept = {f"gauge_livesum_{os.getpid()}.db", f"counter_{gone}.db", f"gauge_mostrecent_{gone}.db"}
    for name in (*kept, f"gauge_livesum_{gone}.db", f"gauge_livemax_{gone}.db"):
        (tmp_path / name).touch()

    forget_dead_workers(tmp_path)

    assert {file.name for file in tmp_path.iterdir()} == kept
