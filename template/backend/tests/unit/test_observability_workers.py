"""The folder in which the workers of a server keep their numbers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.features.observability import workers
from app.features.observability.workers import VARIABLE, forget_dead_workers, prepare_folder


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
        theirs = parent / f"{other.pid}-{workers.start_time(other.pid)}"
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
