"""The server as it is started for real: its logs, its end, its start without a database."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from app import project
from dev.ports import any_free_port
from tests.servers import Servers

BACKEND = Path(__file__).parents[2]
SLOW = """
from sqlalchemy import text
from app.main import create_app
from app.tenancy.dependencies import PlatformSession

def create_slow_app():
    app = create_app()

    @app.get("/slow")
    async def slow(session: PlatformSession) -> dict[str, bool]:
        await session.execute(text("SELECT pg_sleep(1)"))
        return {"finished": True}

    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError("on purpose")

    return app
"""


class Server:
    """A running uvicorn."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    def stop(self) -> tuple[int, list[dict[str, Any]]]:
        """Stop it as an orchestrator does, and return its exit status and its log."""
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=20)
        lines = [line for line in output.splitlines() if line.startswith("{")]
        return self.process.returncode, [json.loads(line) for line in lines]


@contextmanager
def serve(directory: Path, **environment: str) -> Iterator[Server]:
    """Serve the application by uvicorn, in a process of its own."""
    (directory / "slow_app.py").write_text(SLOW)
    port = any_free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", "--factory", "slow_app:create_slow_app"),
            *("--app-dir", str(directory), "--port", str(port), "--no-proxy-headers"),
        ],
        cwd=BACKEND,
        env={**os.environ, "PYTHONPATH": str(BACKEND), "LOG_FORMAT": "json", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Server(process, port)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and process.poll() is None:
            try:
                httpx2.get(f"{server.url}{project.API_PREFIX}/health")
                break
            except httpx2.TransportError:
                time.sleep(0.05)
        yield server
    finally:
        process.kill()
        process.communicate()


def test_a_running_request_is_finished_before_the_server_ends(
    tmp_path: Path, servers: Servers
) -> None:
    with serve(tmp_path) as server, ThreadPoolExecutor() as clients:
        answer = clients.submit(httpx2.get, f"{server.url}/slow", timeout=20)
        running = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1)'"
        while not answer.done() and servers.execute(running) == "0":
            time.sleep(0.02)
        status, log = server.stop()

    assert answer.result().json() == {"finished": True}
    assert status in {0, -signal.SIGTERM}
    events = [line["event"] for line in log]
    assert events[-1].startswith("Finished server process")
    assert events.index("application stopped") > events.index("request")


def test_everything_is_logged_once_and_as_json(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        httpx2.get(f"{server.url}/crash", headers={"X-Request-ID": "crash-0001"})
        _, log = server.stop()

    ours = [line for line in log if line.get("request_id") == "crash-0001"]
    assert [line["event"] for line in ours] == ["unhandled error", "request"]
    assert sum("Traceback" in json.dumps(line) for line in log) == 1
    assert "Application startup complete." in [line["event"] for line in log]


def test_it_starts_without_a_database_and_says_that_it_is_not_ready(tmp_path: Path) -> None:
    with serve(tmp_path, POSTGRES_PORT=str(any_free_port())) as server:
        base = f"{server.url}{project.API_PREFIX}"
        statuses = [
            httpx2.get(f"{base}{path}").status_code for path in ("/health", "/health/ready")
        ]

    assert statuses == [200, 503]
