"""Measures what a request costs in a generated project. Usage: make bench.

Generates a project with defaults, installs its backend, and has `bench_measure.py` measure it there. Prints a table with the
targets beside the figures. With `--flame-graph`, a profiler (py-spy, from PyPI) shows where the time of the list goes.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
BUILD = REPOSITORY / "build" / "bench"
PY_SPY = "py-spy>=0.4,<0.5"
SECONDS = 15


def prepare(project: Path, interpreter: str) -> tuple[Path, Path]:
    """Generate the project and install its backend, twice; return two interpreters.

    The first has the development dependencies, with the real PostgreSQL and Redis. The second has what an image has, and
    serves: some libraries import more when they find more.
    """
    copy = [sys.executable, "-W", "ignore", "-m", "copier", "copy", "--quiet", "--defaults", "--trust", "--overwrite"]
    subprocess.run([*copy, "--vcs-ref", "HEAD", str(REPOSITORY), str(project)], check=True)
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # uv is there
    backend = project / "backend"
    environments = backend / ".venv", BUILD / "serving"
    for environment, options in zip(environments, ([], ["--no-dev"]), strict=True):
        install = ["uv", "sync", "--quiet", "--extra", "observability", "--python", interpreter, *options]
        variables = {"PATH": tools, "UV_PROJECT_ENVIRONMENT": str(environment)}
        subprocess.run(install, check=True, cwd=backend, env=os.environ | variables)
    first, second = (environment / "bin" / "python" for environment in environments)
    return first, second


def profiler(picture: Path) -> list[str]:
    """Install py-spy beside nothing else, and return the command that draws a flame graph."""
    folder = BUILD / "py-spy"
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", PY_SPY], check=True)
    options = f"--format flamegraph --function --rate 200 --duration {SECONDS}".split()
    return ["--profiler", str(folder / "bin" / "py-spy"), "record", *options, "--output", str(picture)]


def table(figures: dict[str, Any]) -> str:
    """Return the figures beside their targets, as Markdown."""
    cpu, rate = figures["cpu"], figures["throughput"]
    # The targets are for a machine on which the bare route costs 0.2 ms; on another they change with it.
    scale = cpu["bare"] / 0.2
    rows = [
        ("bare route", f"{cpu['bare']:.2f} ms", "", f"{rate['bare']:.0f}/s", ""),
        ("`health`", f"{cpu['health']:.2f} ms", "", f"{rate['health']:.0f}/s", f"{figures['health_ratio']:.2f} of bare (0.6)"),
        ("`auth/me`", f"{cpu['me']:.2f} ms", f"{1.4 * scale:.2f} ms", f"{rate['me']:.0f}/s", ""),
        ("bare list", f"{cpu['bare todos']:.2f} ms", "", f"{rate['bare todos']:.0f}/s", ""),
        ("bare list, tenant set", f"{cpu['bare tenant todos']:.2f} ms", "", f"{rate['bare tenant todos']:.0f}/s", ""),
        (
            "list of 20 todos",
            f"{cpu['todos']:.2f} ms",
            f"{2.4 * scale:.2f} ms",
            f"{rate['todos']:.0f}/s",
            f"{figures['tenant_todos_ratio']:.2f} of the bare list, tenant set (0.5); {figures['todos_ratio']:.2f} without",
        ),
    ]
    head = ("", "server CPU", "target", "throughput", "ratio (target)")
    lines = [head, ("---",) * 5, *rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return (
        f"{text}\n\nStart to the first 200: {figures['start']:.2f} s (0.9). "
        f"Resident memory of the worker after the load: {figures['memory']:.0f} MB (110)."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--requests", type=int, default=1000, help="of each route in each round")
    parser.add_argument("--flame-graph", type=Path, help="an SVG to write")
    parser.add_argument("--python", default="python3", help="the interpreter to measure with")
    given = parser.parse_args()
    python, serving = prepare(BUILD / "project", given.python)
    log = BUILD / "servers.log"
    log.unlink(missing_ok=True)
    command = [str(python), str(REPOSITORY / "scripts" / "bench_measure.py"), "--log", str(log)]
    command += ["--rounds", str(given.rounds), "--requests", str(given.requests), "--python", str(serving)]
    if given.flame_graph:
        command += profiler(given.flame_graph.absolute())
    backend = BUILD / "project" / "backend"
    variables = {"ENV": "test", "PYTHONPATH": f"{backend}{os.pathsep}{REPOSITORY / 'scripts'}"}
    done = subprocess.run(command, cwd=backend, env=os.environ | variables, check=True, stdout=subprocess.PIPE, text=True)
    if given.flame_graph:  # its title is the profiler's command, with the paths of this machine
        text = given.flame_graph.read_text()
        given.flame_graph.write_text(re.sub(r">[^<]*bin/py-spy[^<]*<", ">List of 20 todos<", text))
    version = subprocess.run([str(serving), "--version"], check=True, capture_output=True, text=True).stdout.strip()
    print(f"{version} ({given.python}):\n\n{table(json.loads(done.stdout))}")


if __name__ == "__main__":
    main()
