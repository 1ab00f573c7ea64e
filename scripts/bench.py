"""Measures what generating a project costs. Usage: make bench.

Prints medians over several runs, per file, with the same run's cost of copying the same files without templates: machines
are shared, so only the ratio compares between them.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
RUNS = 7


def seconds(action: Callable[[Path], object]) -> float:
    """Return the median wall-clock time in seconds of an action on an empty folder."""
    times = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            action(Path(folder) / "project")
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def copier(destination: Path) -> None:
    """Generate a project as `copier copy --defaults` does, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "copier", "copy", "--quiet", "--defaults", "--trust"]
    subprocess.run([*command, "--vcs-ref", "HEAD", str(REPOSITORY), str(destination)], check=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        copier(project)
        files = sum(path.is_file() for path in project.rglob("*"))
        plain = seconds(lambda destination: shutil.copytree(project, destination))
    generated = seconds(copier)
    print(f"copier copy: {generated:.2f} s for {files} files = {generated / files * 1000:.1f} ms a file (target: under 15)")
    print(f"copying the same files: {plain:.3f} s; ratio {generated / plain:.0f}")


if __name__ == "__main__":
    main()
