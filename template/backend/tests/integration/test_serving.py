"""The server as it is started for real: its logs, its end, its health without what it needs."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app import project
from app.core import health
from app.core import server as connections
from app.tenancy.models import Tenant
from dev.ports import any_free_port
from tests.conftest import Client, Clock, Login, MakeApp, TokenFor, client_of
from tests.servers import BACKEND, PATIENCE, Application, get, serve, until, wait_for

SLOW = """
import asyncio, pathlib
from sqlalchemy import text
from app.main import create_app
from app.tenancy.dependencies import PlatformSession

def create_slow_app():
    app = create_app()
    folder = pathlib.Path(__file__).parent

    @app.get("/slow")
    async def slow(session: PlatformSession) -> dict[str, bool]:
        await session.execute(text("SELECT 1"))
        (folder / "begun").touch()
        while not (folder / "finish").exists():
            await asyncio.sleep(0.02)
        await session.execute(text("SELECT 1"))
        return {"finished": True}

    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError("on purpose")

    return app
"""


def serve_slow(directory: Path, **environment: str) -> AbstractContextManager[Application]:
    """Serve an application with a route that waits for a file `finish`, and one that crashes."""
    (directory / "slow_app.py").write_text(SLOW)
    command = ("uvicorn", "--factory", "slow_app:create_slow_app", "--no-proxy-headers")
    return serve(directory / "log", *command, PYTHONPATH=str(directory), **environment)


@dataclass(frozen=True)
class Run:
    """What became of a server that was stopped during a request."""

    answer: httpx2.Response
    status: int
    log: list[dict[str, Any]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A server in which one request has crashed, and which is stopped during another."""
    folder = tmp_path_factory.mktemp("run")
    with serve_slow(folder) as server, ThreadPoolExecutor() as clients:
        get(f"{server.url}/crash", headers={"X-Request-ID": "crash-0001"})
        answer = clients.submit(get, f"{server.url}/slow")
        wait_for((folder / "begun").exists)
        server.process.terminate()
        wait_for(lambda: "Waiting for connections to close" in server.log.read_text())
        (folder / "finish").touch()
        status, log = server.stop()
        return Run(answer.result(), status, log)


def test_a_running_request_is_finished_before_the_server_ends(run: Run) -> None:
    assert run.answer.json() == {"finished": True}
    assert run.status in {0, -signal.SIGTERM}
    assert run.log[-1]["event"].startswith("Finished server process")
    events = [(line["event"], line.get("path")) for line in run.log]
    assert events.index(("application stopped", None)) > events.index(("request", "/slow"))


def test_everything_is_logged_once_and_as_json(run: Run) -> None:
    ours = [line for line in run.log if line.get("request_id") == "crash-0001"]
    assert [line["event"] for line in ours] == ["unhandled error", "request"]
    assert sum("Traceback" in json.dumps(line) for line in run.log) == 1
    assert "Application startup complete." in [line["event"] for line in run.log]


def test_it_starts_without_a_database_and_says_that_it_is_not_ready(tmp_path: Path) -> None:
    with serve_slow(tmp_path, POSTGRES_PORT=str(any_free_port())) as server:
        base = f"{server.url}{project.API_PREFIX}"
        statuses = [get(f"{base}{path}").status_code for path in ("/health", "/health/ready")]

    assert statuses == [200, 503]


def test_several_workers_serve_and_end_at_a_signal(tmp_path: Path) -> None:
    with serve(tmp_path / "log", "app", WEB_CONCURRENCY="2") as server:
        status = get(f"{server.url}{project.API_PREFIX}/health").status_code
        wait_for(lambda: server.log.read_text().count('"application started"') == 2)
        ended, log = server.stop()

    assert (status, ended) == (200, 0)
    events = [line["event"] for line in log]
    assert events.count("application started") == events.count("application stopped") == 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_ends_where_it_has_a_development_secret_and_people_have_data(workers: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "app", "--port", str(any_free_port())],
        cwd=BACKEND,
        env={**os.environ, "ENV": "production", "WEB_CONCURRENCY": workers},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert ended.returncode == 1
    said = ended.stdout + ended.stderr
    assert said.count("OIDC_BACKEND_CLIENT_SECRET: holds a development secret") == 1
    assert "Traceback" not in said


async def test_alive(client: Client) -> None:
    response = await client.get("/health")

    assert (response.status_code, response.json()) == (200, {"status": "healthy"})


async def test_ready(client: Client) -> None:
    response = await client.get("/health/ready")

    assert response.status_code == 200
    assert response.json() == {"status": "ready", "database": "ok", "pool": "ok", "redis": "ok"}


async def test_without_redis_it_serves(make_app: MakeApp) -> None:
    away = f"redis://127.0.0.1:{any_free_port()}/0"
    async with make_app(redis_url=away) as app, client_of(app) as client:
        response = await client.get("/health/ready")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "database": "ok",
        "pool": "ok",
        "redis": "degraded",
    }


async def test_without_its_database_it_is_alive_and_not_ready(make_app: MakeApp) -> None:
    async with make_app(postgres_port=any_free_port()) as app, client_of(app) as client:
        alive, ready = await client.get("/health"), await client.get("/health/ready")

    assert alive.status_code == 200
    assert ready.status_code == 503
    assert ready.headers["content-type"] == "application/problem+json"
    assert (ready.json()["database"], ready.json()["redis"]) == ("unavailable", "ok")


async def test_a_request_without_a_database_is_told_to_come_back(
    make_app: MakeApp, token_for: TokenFor
) -> None:
    token = token_for(uuid4())
    async with make_app(postgres_port=any_free_port()) as app, client_of(app, token) as client:
        response = await client.get("/tenant")

    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert response.json()["detail"] == "The database does not answer."


async def test_a_busy_pool_is_no_reason_to_send_no_more_requests(make_app: MakeApp) -> None:
    async with (
        make_app(db_pool_size=1, db_max_overflow=0) as app,
        client_of(app) as client,
        app.state.database.engine.connect(),
    ):
        response = await client.get("/health/ready")

    assert (response.status_code, response.json()["pool"]) == (200, "busy")


async def test_a_pool_that_is_exhausted_for_long_is_one_until_a_connection_is_back(
    make_app: MakeApp, token_for: TokenFor, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "EXHAUSTED_SECONDS", 0.2)
    limits = {"db_pool_size": 1, "db_max_overflow": 0, "db_pool_timeout": 0.1}
    async with make_app(**limits) as app, client_of(app, token_for(tenant)) as client:
        async with app.state.database.engine.connect():
            refused = [await client.get("/tenant") for _ in range(2)]
            await asyncio.sleep(0.3)
            exhausted = await client.get("/health/ready")
        back = await client.get("/health/ready")
        served = await client.get("/tenant")

    assert [(answer.status_code, answer.headers["retry-after"]) for answer in refused] == [
        (503, "1"),
        (503, "1"),
    ]
    assert (exhausted.status_code, exhausted.json()["pool"]) == (503, "exhausted")
    assert (exhausted.json()["database"], exhausted.headers["retry-after"]) == ("ok", "5")
    assert (back.status_code, served.status_code) == (200, 200)


class Watched(connections.Connection):
    """A connection that a test looks at, by its client's address."""

    all: ClassVar[dict[tuple[str, int], "Watched"]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.received = 0
        super().connection_made(transport)
        self.all[transport.get_extra_info("peername")] = self

    @classmethod
    async def of(cls, client: Any) -> "Watched":
        """Return the connection of a client's socket, once the server knows of it."""
        await until(lambda: client.getsockname() in cls.all)
        return cls.all[client.getsockname()]

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.received += len(data)


@asynccontextmanager
async def listening(app: ASGIApp, **options: Any) -> AsyncIterator[tuple[str, int]]:
    """Serve an application in this process; returns where."""
    port = any_free_port()
    usual = {"http": Watched, "lifespan": "off", "log_config": None}
    serving = uvicorn.Server(uvicorn.Config(app, port=port, **(usual | options)))
    task = asyncio.create_task(serving.serve())
    while not serving.started:  # noqa: ASYNC110 - uvicorn says it in no other way
        await asyncio.sleep(0.01)
    try:
        yield "127.0.0.1", port
    finally:
        # Without a wait for connections: one that does not end is what a test may have found.
        serving.should_exit = serving.force_exit = True
        await task


@pytest.fixture
async def address(app: FastAPI) -> AsyncIterator[tuple[str, int]]:
    """Where the application is served."""
    async with listening(app) as place:
        yield place


@dataclass(frozen=True)
class Visitor:
    """A client of such a server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    connection: Watched

    async def send(self, text: str) -> None:
        """Send something, and wait until it has arrived; what is refused may not do so whole."""
        length = self.connection.received + len(text)
        self.writer.write(text.encode())
        await until(
            lambda: self.connection.received == length or self.connection.transport.is_closing()
        )

    async def read(self) -> str:
        """Return what is said until the server ends the connection."""
        said = await asyncio.wait_for(self.reader.read(), PATIENCE)
        self.writer.close()
        return said.decode()


async def visit(address: tuple[str, int]) -> Visitor:
    """Connect."""
    reader, writer = await asyncio.open_connection(*address)
    return Visitor(reader, writer, await Watched.of(writer.get_extra_info("socket")))


TOO_LONG = 1 + max(connections.HEAD_SECONDS, connections.PIECE_SECONDS, connections.UNREAD_SECONDS)
POST = f"POST {project.API_PREFIX}/tenants HTTP/1.1\r\nHost: localhost\r\n"
TOO_LATE = "HTTP/1.1 408 Request Timeout"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ("", ""),
        ("POST", TOO_LATE),
        (f"{POST}Content-Le", TOO_LATE),
        (f"{POST}Content-Length: 50\r\n\r\n{{", TOO_LATE),
        (f"{POST}Transfer-Encoding: chunked\r\n\r\n5\r\nabc", TOO_LATE),
        (f"{POST}X-Long: {'x' * 70_000}", "HTTP/1.1 431 Request Header Fields Too Large"),
    ],
)
async def test_a_client_that_does_not_go_on_is_let_go(
    address: tuple[str, int], clock: Clock, sent: str, answer: str
) -> None:
    visitor = await visit(address)
    await visitor.send(sent)
    await clock.forward(TOO_LONG)

    assert (await visitor.read()).partition("\r\n")[0] == answer


async def test_so_is_one_that_stops_in_a_later_request(
    address: tuple[str, int], clock: Clock
) -> None:
    visitor = await visit(address)
    await visitor.send(f"GET {project.API_PREFIX}/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await visitor.reader.readuntil(b"}")
    await visitor.send("POST")
    await clock.forward(TOO_LONG)

    assert (await visitor.read()).partition("\r\n")[0] == TOO_LATE


@pytest.mark.parametrize("length", [0, 1_000_000])
async def test_who_waits_for_a_slow_application_is_no_slow_client(
    clock: Clock, length: int
) -> None:
    enough = asyncio.Event()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await enough.wait()
        while scope["type"] == "http" and (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with listening(late) as address:
        visitor = await visit(address)
        await visitor.send(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
        visitor.writer.write(bytes(length))
        await until(lambda: not length or visitor.connection.flow.read_paused)
        for _ in range(3):
            await clock.forward(TOO_LONG)
        enough.set()
        said = await asyncio.wait_for(visitor.reader.readline(), PATIENCE)
        visitor.writer.close()

    assert said.startswith(b"HTTP/1.1 204")


async def test_a_client_that_stops_within_an_answer_finds_no_second_one_in_it(
    clock: Clock,
) -> None:
    async def begin(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        while scope["type"] == "http" and (await receive())["type"] != "http.disconnect":
            pass

    async with listening(begin) as address:
        visitor = await visit(address)
        await visitor.send(f"{POST}Content-Length: 50\r\n\r\n{{")
        await visitor.reader.readuntil(b"begun")
        await clock.forward(TOO_LONG)
        said = await visitor.read()

    assert said == ""


async def test_a_client_that_reads_nothing_is_let_go(
    address: tuple[str, int], clock: Clock
) -> None:
    path = f"{project.API_PREFIX}/openapi.json"
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, address)

        async def ask_and_read_nothing() -> None:
            while True:
                await loop.sock_sendall(connection, request)
                await asyncio.sleep(0.001)

        served = await Watched.of(connection)
        asking = asyncio.create_task(ask_and_read_nothing())
        await until(lambda: served.flow.write_paused)
        await clock.forward(TOO_LONG)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await asyncio.wait_for(asking, PATIENCE)


class Narrow(Watched):
    """A connection of which the system takes little at once."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        super().connection_made(transport)


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
async def test_a_client_that_leaves_the_end_unread_is_let_go(clock: Clock, connection: str) -> None:
    """Of so small an answer that the application never has to wait for the client."""
    answer = Response(bytes(50_000))
    request = f"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n"
    async with listening(answer, http=Narrow) as address:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, address)
            await loop.sock_sendall(client, request.encode())
            served = await Watched.of(client)
            await until(lambda: served.cycle and served.cycle.response_complete)
            await clock.forward(TOO_LONG)
            received = 0
            with suppress(ConnectionResetError):
                while piece := await asyncio.wait_for(loop.sock_recv(client, 4096), PATIENCE):
                    received += len(piece)

    assert received < 50_000


async def test_a_slow_client_that_goes_on_is_served(address: tuple[str, int], clock: Clock) -> None:
    visitor = await visit(address)
    for piece in (POST, "Content-Type: application/json\r\nContent-Length: 8\r\n\r\n", *"{}      "):
        await visitor.send(piece)
        await clock.forward(0.4 * connections.HEAD_SECONDS)
    said = await asyncio.wait_for(visitor.reader.readline(), PATIENCE)
    visitor.writer.close()

    assert said.startswith(b"HTTP/1.1 401")


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 1000):
        yield b" " * 1000


@pytest.mark.parametrize("content", [b" " * 2_000_000, 2_000_000])
async def test_a_body_that_is_too_long_is_refused(
    login: Login, tenant: Tenant, content: bytes | int
) -> None:
    client = await login(tenant)
    body = content if isinstance(content, bytes) else chunks(content)
    response = await client.post(
        "/tenants", content=body, headers={"Content-Type": "application/json"}
    )

    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"]
    assert response.headers["connection"] == "close"
