"""SIGKILL at any point: the project is untouched, or the next command completes what was begun. No byte is lost.

The points are every effect on the disk (files, folders, processes) of the commands, spread evenly; and moments of the clock at
which the command is killed together with the git processes that it has started.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.companion import environment, evergreen, fsck, numbered, refs, start, state, tree, update, work
from support.releases import git
from support.rendering import REPOSITORY

#: More for a longer look: EVERGREEN_KILL_POINTS=9999 kills at every effect.
EFFECT_POINTS = int(os.environ.get("EVERGREEN_KILL_POINTS", "50"))
MOMENTS = 6
ARGUMENTS = ("update", "--trust", "--set", "include_extra=no")


@pytest.fixture(scope="module")
def edited(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose update does everything: conflict, removed edited file, binary, rename, deletion, ignored file."""
    project = Path(shutil.copytree(generated, tmp_path_factory.mktemp("edited") / "project"))
    work(
        project,
        {
            "settings.txt": numbered("setting").replace("setting 5\n", "ours\n"),
            "gone.txt": numbered("gone").replace("gone 5\n", "ours\n"),
            "renamed.txt": numbered("renamed").replace("renamed 5\n", "ours\n"),
            "logo.png": b"\0ours",
            "run.sh": None,
            "extra/one.txt": numbered("one").replace("one 5\n", "ours\n"),
        },
    )
    (project / "local").mkdir()
    (project / "local/secret").write_text("ignored\n")
    return project


@pytest.fixture(scope="module")
def completed(edited: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same project after an update that nothing interrupted."""
    project = Path(shutil.copytree(edited, tmp_path_factory.mktemp("completed") / "project"))
    update(project, *ARGUMENTS[2:], status=1)
    return project


def outcome(project: Path) -> tuple[Any, ...]:
    """Return what an update leaves, without the numbers and times of the run."""
    kept = {
        path.relative_to(project).as_posix(): path.read_bytes() for path in (project / ".evergreen").rglob("*") if path.is_file()
    }
    return tree(project), kept, git(project, "status", "--porcelain"), git(project, "ls-files", "--stage")


def killed(project: Path, point: int, *arguments: str) -> int:
    """Run the command, killed at a point, and return how it ended."""
    command = [sys.executable, str(REPOSITORY / "tests/support/killer.py"), str(point), *arguments]
    return subprocess.run(
        command,
        cwd=project,
        env=environment(PYTHONPATH=str(REPOSITORY)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    ).returncode


def effects(project: Path, tmp_path: Path, *arguments: str) -> int:
    """Return how many effects a command has when nothing stops it."""
    command = [sys.executable, str(REPOSITORY / "tests/support/killer.py"), "0", *arguments]
    variables = environment(PYTHONPATH=str(REPOSITORY), KILLER_COUNT=str(tmp_path / "count"))
    subprocess.run(command, cwd=project, env=variables, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return int((tmp_path / "count").read_text())


def points(total: int, wanted: int) -> list[int]:
    """Return points spread over a run, the last one among them."""
    return sorted({round(1 + index * (total - 1) / (wanted - 1)) for index in range(wanted)})


def require_untouched_or_completed(project: Path, before: tuple[Any, ...], after: tuple[Any, ...]) -> str:
    """See that the next command finds, or makes, one of the two states."""
    evergreen(project, "doctor")
    fsck(project)
    assert not list((project / ".git").rglob("*.lock"))
    found = outcome(project)
    if found == after:
        return "completed"
    assert found == before
    return "untouched"


@pytest.mark.verify
def test_killed_at_effects_on_the_disk(edited: Path, completed: Path, tmp_path: Path) -> None:
    before, after, refs_before = outcome(edited), outcome(completed), refs(edited)
    total = effects(Path(shutil.copytree(edited, tmp_path / "counting")), tmp_path, *ARGUMENTS)
    seen = []
    for point in points(total, EFFECT_POINTS):
        project = Path(shutil.copytree(edited, tmp_path / str(point)))
        assert killed(project, point, *ARGUMENTS) == -signal.SIGKILL
        how = require_untouched_or_completed(project, before, after)
        if how == "completed":
            evergreen(project, "abort", status=0)
        assert outcome(project) == before
        assert refs(project) == refs_before
        seen.append(how)
        shutil.rmtree(project)
    assert seen == sorted(seen, reverse=True), "once it is completed, no later point leaves it untouched"
    assert {"untouched", "completed"} == set(seen)
    print(f"killed at {len(seen)} of {total} effects: {seen.count('untouched')} untouched, {seen.count('completed')} completed")


@pytest.mark.parametrize("command", ["update", pytest.param("abort", marks=pytest.mark.verify)])
def test_killed_while_the_project_changes(edited: Path, completed: Path, tmp_path: Path, command: str) -> None:
    """Effects from the journal on; then, instead of completing it, it is taken back by `abort`."""
    before = outcome(edited)
    arguments = ARGUMENTS if command == "update" else ("abort",)
    origin = edited if command == "update" else completed
    total = effects(Path(shutil.copytree(origin, tmp_path / "counting")), tmp_path, *arguments)
    for point in range(max(2, total - 90), total + 1, 15 if command == "update" else 3):
        project = Path(shutil.copytree(origin, tmp_path / str(point)))
        assert killed(project, point, *arguments) == -signal.SIGKILL
        evergreen(project, "abort")
        assert outcome(project) == before, point
        assert refs(project) == refs(edited), point
        fsck(project)
        shutil.rmtree(project)


@pytest.mark.verify
def test_killed_while_finishing(completed: Path, tmp_path: Path) -> None:
    prepared = Path(shutil.copytree(completed, tmp_path / "prepared"))
    (prepared / "settings.txt").write_text("resolved\n")
    git(prepared, "add", "settings.txt")
    total = effects(Path(shutil.copytree(prepared, tmp_path / "counting")), tmp_path, "finish")
    for point in range(2, total + 1, 3):
        project = Path(shutil.copytree(prepared, tmp_path / str(point)))
        assert killed(project, point, "finish") == -signal.SIGKILL
        evergreen(project, "finish")
        assert git(project, "status", "--porcelain") == ""
        assert git(project, "rev-list", "--count", "HEAD") == "3"
        assert git(project, "show", "HEAD:settings.txt") == "resolved"
        evergreen(project, "check", status=0)
        fsck(project)
        shutil.rmtree(project)


@pytest.mark.verify
def test_killed_with_its_git_at_moments_of_the_clock(edited: Path, completed: Path, tmp_path: Path) -> None:
    """The whole process group dies, so that a git of ours may leave its lock files."""
    before, after = outcome(edited), outcome(completed)
    timing = Path(shutil.copytree(edited, tmp_path / "timing"))
    began = time.monotonic()
    start(timing, *ARGUMENTS, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait()
    whole = time.monotonic() - began
    for number in range(MOMENTS):
        project = Path(shutil.copytree(edited, tmp_path / str(number)))
        process = start(
            project,
            *ARGUMENTS,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(whole * (0.5 + 0.55 * number / MOMENTS))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        require_untouched_or_completed(project, before, after)
        shutil.rmtree(project)


def test_edits_made_after_an_interruption_are_not_lost(edited: Path, tmp_path: Path) -> None:
    total = effects(Path(shutil.copytree(edited, tmp_path / "counting")), tmp_path, *ARGUMENTS)
    for point in range(total - 60, total - 10, 10):
        project = Path(shutil.copytree(edited, tmp_path / str(point)))
        killed(project, point, *ARGUMENTS)
        if not (project / ".git/evergreen/journal.json").exists():
            continue
        late = b"written between the crash and the next command\n"
        for name in ("app.py", "settings.txt", "gone.txt"):
            (project / name).write_bytes(late)
        evergreen(project, "doctor")
        holding = [
            path for path in project.rglob("*") if path.is_file() and ".git" not in path.parts and path.read_bytes() == late
        ]
        assert {path.name for path in holding} == {"app.py", "settings.txt", "gone.txt"}, point


def test_another_evergreen_waits_for_what_a_killed_one_has_left_running(project: Path) -> None:
    """The lock is inherited by git: here a process that holds it stands for a git that outlives its evergreen."""
    folder = project / ".git/evergreen"
    folder.mkdir()
    before = state(project)
    code = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'w+'); fcntl.flock(file, fcntl.LOCK_SH); "
        "print(1, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder / "lock")], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        waiting = start(project, "update", "--trust", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(5)  # less than its patience, and more than an update takes
        assert waiting.poll() is None
        assert state(project) == before
        holder.kill()
        assert waiting.wait(60) == 0
