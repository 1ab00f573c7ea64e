"""Measures `copier update` and `evergreen update` on the same project, in turns. Usage: make bench.

The project is one of the oldest supported release with the default answers; the update goes to the working tree. CPU is that of
the command and of all its children. Machines are shared, so only the ratios of one run compare.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.releases import History, commit_all, git, history

REPOSITORY = Path(__file__).parents[1]
ROUNDS = 5
COMMANDS = {
    "copier update": ["copier", "update", "--trust", "--defaults", "--quiet", "--skip-tasks"],
    "evergreen update": ["evergreen", "update", "--trust"],
}
Cost = tuple[float, float]


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which neither command finds what another run has left."""
    return os.environ | {"COPIER_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore"}


def run(command: list[str], project: Path, variables: dict[str, str]) -> Cost:
    """Run a module's command in a project; return its CPU and wall-clock time in seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", *command], cwd=project, env=variables, check=True, capture_output=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def generate(released: History, version: str, folder: Path, variables: dict[str, str]) -> Path:
    """Generate a project of a version and commit it."""
    copy = ["copier", "copy", "--trust", "--defaults", "--quiet", "--vcs-ref", f"v{version}", str(released.folder), str(folder)]
    run(copy, folder.parent, variables)
    git(folder, "init", "--quiet")
    commit_all(folder, "Start")
    return folder


def compare(project: Path, folder: Path, variables: dict[str, str]) -> dict[str, Cost]:
    """Run each command on copies of a project, in turns; return the medians."""
    costs: dict[str, list[Cost]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            copy = Path(shutil.copytree(project, folder / "copy", symlinks=True))
            costs[name].append(run(command, copy, variables))
            shutil.rmtree(copy)
    return {name: (statistics.median(cpu for cpu, _ in found), statistics.median(wall for _, wall in found))
            for name, found in costs.items()}  # fmt: skip


def show(title: str, found: dict[str, Cost], files: int) -> None:
    """Print one comparison."""
    print(title)
    for name, (cpu, wall) in found.items():
        print(f"  {name:<17} CPU {cpu:5.2f} s = {cpu / files * 1000:5.1f} ms a file, wall clock {wall:5.2f} s")
    (copier_cpu, copier_wall), (cpu, wall) = found.values()
    print(f"  evergreen / copier: CPU {cpu / copier_cpu:.2f}, wall clock {wall / copier_wall:.2f} (target: at most 1)")


def main() -> None:
    """Print what an update and an update without anything to do cost, each by both commands."""
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as name:
        folder = Path(name)
        variables = environment(folder)
        released = history(folder / "template")
        oldest, newest = released.supported[0], released.next
        old = generate(released, oldest, folder / "old", variables)
        new = generate(released, newest, folder / "new", variables)
        files = len(git(new, "ls-files").splitlines())
        print(f"Updating a project of {files} files, medians of {ROUNDS} rounds:")
        show(f"{oldest} to {newest}", compare(old, folder, variables), files)
        show(f"{newest} to {newest}: nothing to do", compare(new, folder, variables), files)


if __name__ == "__main__":
    main()
