"""Measures the requests of a generated project: run by `bench_requests.py`, in the project's backend, with its interpreter.

The server under test is started as its image starts it, with real PostgreSQL and Redis; this process is the client. Routes
take turns in every round, so that a noisy neighbour disturbs all of them alike, and each figure is the median of the rounds.
Prints one JSON object.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx2
from app.__main__ import OPTIONS
from app.core.settings import get_settings
from app.tenancy import seed
from dev.ports import any_free_port
from tests.identity_provider import LocalProvider
from tests.servers import start_servers

PREFIX = get_settings().api_prefix
TENANT = str(seed.TENANTS[0]["id"])
TODOS = 20
CONNECTIONS = 8
STARTS = 4
ROUTES = {
    "bare": ("bare", "/bare"),
    "health": ("project", f"{PREFIX}/health"),
    "me": ("project", f"{PREFIX}/auth/me"),
    "todos": ("project", f"{PREFIX}/todos"),
    "bare todos": ("bare", "/bare/todos"),
    "bare tenant todos": ("bare", "/bare/tenant-todos"),
}


class Connection(asyncio.Protocol):
    """A keep-alive connection that asks the same thing again until it is told that it is enough."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.ask()

    def ask(self) -> None:
        if self.load.left > 0:
            self.load.left -= 1
            self.transport.write(self.load.request)
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        start = head.lower().index(b"content-length:") + 15
        if len(body) >= int(head[start:].partition(b"\r\n")[0]):
            self.load.statuses[head[9:12]] = self.load.statuses.get(head[9:12], 0) + 1
            self.buffer = b""
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None or self.buffer:
            self.load.statuses[b"lost"] = self.load.statuses.get(b"lost", 0) + 1
        self.load.open -= 1
        if not self.load.open:
            self.load.over.set()


class Load:
    """A number of requests for one path, over some keep-alive connections at once."""

    def __init__(self, port: int, path: str, token: str, count: int) -> None:
        self.port = port
        lines = (f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Authorization: Bearer {token}", "Accept: */*", "", "")
        self.request = "\r\n".join(lines).encode()
        self.left = count
        self.open = CONNECTIONS
        self.statuses: dict[bytes, int] = {}

    async def run(self) -> float:
        """Send them all and return the seconds that it took."""
        self.over = asyncio.Event()
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        for _ in range(CONNECTIONS):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.port)
        await self.over.wait()
        if set(self.statuses) != {b"200"}:
            raise RuntimeError(f"{self.request!r} was answered with {self.statuses}")
        return time.perf_counter() - started


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, all threads: to the nanosecond where the system tells, else by ticks."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except FileNotFoundError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    """Return the memory of a process that is in RAM, shared libraries included."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


@contextmanager
def serving(python: Path, application: list[str], path: str, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, float]]:
    """Start a server; yields its process, its port, and the seconds until its first answer."""
    port = any_free_port()
    with log.open("ab") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(python), *application, "--host", "127.0.0.1", "--port", str(port)], stdout=output, stderr=output
        )
    try:
        asyncio.run(first_answer(process, port, path))
        yield process, port, time.perf_counter() - started
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def first_answer(process: subprocess.Popen[bytes], port: int, path: str) -> None:
    """Ask until there is an answer of status 200."""
    while process.poll() is None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.002)
            continue
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        answer = await reader.readline()
        writer.close()
        if b" 200 " in answer:
            return
    raise RuntimeError("The server ended before it answered; see its log.")


def measure(python: Path, rounds: int, requests: int, log: Path, profiler: list[str]) -> dict[str, Any]:
    """Start everything, measure, and return the figures."""
    with start_servers() as servers, LocalProvider() as provider:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an image has bytecode
        os.environ |= servers.environment() | {
            "OIDC_ISSUER": provider.issuer,
            "BENCH_TENANT": TENANT,
            "LOG_FORMAT": "json",
            "RATE_LIMIT_USER": "1000000000/hour",
            "RATE_LIMIT_ADDRESS": "1000000000/hour",
        }
        for module in (["alembic", "upgrade", "heads"], ["app.tenancy.seed"]):
            subprocess.run([sys.executable, "-m", *module], check=True, capture_output=True)
        token = provider.token(tenant_id=TENANT, subject="alice", exp=int(time.time()) + 3600)
        project = ["-m", "app"]
        bare = ["-m", "uvicorn", *("bench_bare:create_app" if word == "app.main:create_app" else word for word in OPTIONS)]
        starts = []
        for _ in range(STARTS):
            with serving(python, project, f"{PREFIX}/health", log) as (_, _, seconds):
                starts.append(seconds)
        starts.pop(0)  # the first one writes bytecode
        with (
            serving(python, project, f"{PREFIX}/health", log) as (project_process, project_port, _),
            serving(python, bare, "/bare", log) as (bare_process, bare_port, _),
        ):
            targets = {"project": (project_process.pid, project_port), "bare": (bare_process.pid, bare_port)}
            fill(project_port, token)
            figures: dict[str, dict[str, list[float]]] = {name: {"cpu": [], "wall": []} for name in ROUTES}
            for number in range(-1, rounds):
                for name, (server, path) in ROUTES.items():
                    pid, port = targets[server]
                    before = cpu_seconds(pid)
                    seconds = asyncio.run(Load(port, path, token, requests).run())
                    if number >= 0:  # the first round warms caches and connections up
                        figures[name]["cpu"].append((cpu_seconds(pid) - before) / requests * 1000)
                        figures[name]["wall"].append(seconds / requests * 1000)
            memory = resident_megabytes(project_process.pid)
            if profiler:
                profile(profiler, project_process.pid, project_port, token, requests)
    return {
        "cpu": {name: statistics.median(figure["cpu"]) for name, figure in figures.items()},
        "throughput": {name: 1000 / statistics.median(figure["wall"]) for name, figure in figures.items()},
        "health_ratio": ratio(figures, "bare", "health"),
        "todos_ratio": ratio(figures, "bare todos", "todos"),
        "tenant_todos_ratio": ratio(figures, "bare tenant todos", "todos"),
        "start": statistics.median(starts),
        "memory": memory,
    }


def ratio(figures: dict[str, dict[str, list[float]]], bare: str, name: str) -> float:
    """Return the throughput of a route as a part of the bare one's: the median over the rounds, each taken by itself."""
    return statistics.median(b / n for b, n in zip(figures[bare]["wall"], figures[name]["wall"], strict=True))


def fill(port: int, token: str) -> None:
    """Create the todos that the list shows."""
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}{PREFIX}", headers={"Authorization": f"Bearer {token}"}) as client:
        for number in range(TODOS):
            client.post("/todos", json={"title": f"Water tree number {number}"}).raise_for_status()
        if len(client.get("/todos").json()["items"]) != TODOS:
            raise RuntimeError("The list does not show the todos that were created.")


def profile(profiler: list[str], pid: int, port: int, token: str, requests: int) -> None:
    """Let a profiler watch the server while it lists todos."""
    watcher = subprocess.Popen([*profiler, "--pid", str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    path = ROUTES["todos"][1]
    while watcher.poll() is None:
        asyncio.run(Load(port, path, token, requests // 4).run())
    if watcher.returncode:
        raise RuntimeError(f"The profiler ended with status {watcher.returncode}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--requests", type=int, required=True, help="of each route in each round")
    parser.add_argument("--python", type=Path, required=True, help="the interpreter that serves")
    parser.add_argument("--log", type=Path, required=True, help="takes what the servers print")
    parser.add_argument("--profiler", nargs=argparse.REMAINDER, default=[], help="a command that is given --pid")
    given = parser.parse_args()
    print(json.dumps(measure(given.python, given.rounds, given.requests, given.log, given.profiler)))


if __name__ == "__main__":
    main()
