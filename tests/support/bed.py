"""A generated project served as in production, on servers of its own that a test can stop, hang and start again.

The servers are those of the project's own tests: `bed_servers.py` is run by the project's Python. The two talk in lines of JSON.
"""

import json
import os
import resource
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 60.0
OPEN_FILES = 20_000


@dataclass
class Server:
    """The application as `python -m app` serves it."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path | None

    def get(
        self, path: str, token: str | None = None, timeout: float = 30, **headers: str
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Return the status, the body and the headers of an answer below the API's prefix."""
        fields = ({"Authorization": f"Bearer {token}"} if token else {}) | headers
        request = urllib.request.Request(f"{self.address}/api/v1{path}", headers=fields)  # noqa: S310 - our own server
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
                return answer.status, json.load(answer), {key.lower(): value for key, value in answer.headers.items()}
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error), {key.lower(): value for key, value in error.headers.items()}

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log's lines about an event."""
        assert self.log
        lines = [json.loads(line) for line in self.log.read_text(errors="replace").splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]


@dataclass
class Running:
    """A command that the other side is busy with."""

    wait: Callable[[], Any]


class Bed:
    """Servers that a test may harm, the settings that lead to them, and a way to serve the application on them."""

    def __init__(self, python: str, backend: Path, folder: Path, process: subprocess.Popen[str]) -> None:
        self.python = python
        self.backend = backend
        self.folder = folder
        self._process = process
        self.facts: dict[str, Any] = self._answer()
        self.environment: dict[str, str] = clean() | self.facts["environment"]

    def do(self, *command: str) -> Any:
        """Have the other side do something: `do("postgres", "stop")`; return what it answers."""
        assert self._process.stdin
        print(json.dumps(command), file=self._process.stdin, flush=True)
        return self._answer()

    def start(self, *command: str) -> "Running":
        """Have the other side begin something; its answer has to be waited for before the next command."""
        assert self._process.stdin
        print(json.dumps(command), file=self._process.stdin, flush=True)
        return Running(self._answer)

    def token(self, **claims: Any) -> str:
        """Return a new access token of the tenant."""
        return str(self.do("token", json.dumps(claims)))

    @contextmanager
    def serving(self, port: int, *options: str, stdout: str | None = None, **environment: str) -> Iterator[Server]:
        """Serve the application until the block ends; what it prints goes to a file, or to the one that is given."""
        log = None if stdout else self.folder / f"server-{port}.log"
        variables = self.environment | {"ENV": "test", "LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1"} | environment
        with Path(stdout or str(log)).open("wb") as output:
            process = subprocess.Popen(
                [self.python, "-m", "app", "--host", "127.0.0.1", "--port", str(port), *options],
                cwd=self.backend,
                env=variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        server = Server(process, f"http://127.0.0.1:{port}", log)
        try:
            await_true(lambda: process.poll() is not None or server.get("/health")[0] == 200, "the application does not answer")
            assert process.poll() is None, f"the application has ended:\n{log.read_text(errors='replace')[-3000:] if log else ''}"
            yield server
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = next((line for line in self._process.stdout if line.startswith("{")), None)
        assert line, "the servers ended; their error output says why"
        document = json.loads(line)
        assert "error" not in document, document["error"]
        return document["answer"]


@contextmanager
def bed(backend: Path, folder: Path) -> Iterator[Bed]:
    """Start PostgreSQL, Redis and an identity provider, with a tenant that has some todos, until the block ends."""
    python = str(backend / ".venv/bin/python")
    command = [python, str(Path(__file__).with_name("bed_servers.py"))]
    environment = clean() | {"ENV": "test", "PYTHONPATH": str(backend)}
    with subprocess.Popen(
        command, cwd=backend, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Bed(python, backend, folder, process)
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(START_SECONDS)


def clean() -> dict[str, str]:
    """Return this process's environment without what belongs to its own virtual environment."""
    private = ("VIRTUAL_ENV", "PYTHONPATH", "PYTEST_CURRENT_TEST")
    return {name: value for name, value in os.environ.items() if name not in private}


def await_true(condition: Any, message: str, seconds: float = START_SECONDS) -> float:
    """Wait until something is so; return how many seconds it took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        with suppress(OSError, ValueError):
            if condition():
                return time.monotonic() - began
        time.sleep(0.05)
    raise AssertionError(message)


def memory(process: subprocess.Popen[bytes]) -> float:
    """Return the resident memory of a process, in MB."""
    text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def raise_open_files() -> None:
    """Let this process and those that it starts have many connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most) if most > 0 else OPEN_FILES, most))
