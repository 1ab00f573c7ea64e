"""The metrics of the whole application and of all its workers, its traces, and their log lines."""

import asyncio
import json
import os
import random
import signal
import string
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.project import API_PREFIX
from tests.conftest import Clock
from tests.observability_server import Samples, parse, sample, scrape, serve
from tests.servers import PATIENCE, get, until, wait_for

MakeApp = Callable[..., AbstractAsyncContextManager[FastAPI]]


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def metrics(client: httpx2.AsyncClient) -> Samples:
    return parse((await client.get("/metrics")).raise_for_status().text)


def series(samples: Samples) -> int:
    return sum(name.startswith("http_") for name, _ in samples)


async def test_addresses_that_anybody_can_invent_add_no_series(app: FastAPI) -> None:
    invented = random.Random(7)  # noqa: S311 - the same addresses in every run
    prefix = app.state.settings.api_prefix

    def path() -> str:
        return "".join(invented.choices(string.ascii_letters + string.digits + "/%20", k=20))

    async with client_of(app) as client:
        for method in ("GET", "POST", "BREW"):
            await client.request(method, "/first")
            await client.request(method, f"{prefix}/users/first")
        before = await metrics(client)
        for number in range(300):
            method = ("GET", "POST", f"BREW{number}")[number % 3]
            await client.request(method, f"/{path()}" if number % 2 else f"{prefix}/{path()}")
            await client.request(method, f"{prefix}/users/{number}")
        after = await metrics(client)

    assert series(after) == series(before)
    assert (sample(after, "http_requests_total") or 0) - (
        sample(before, "http_requests_total") or 0
    ) == 600
    assert sample(after, "http_requests_total", route=f"{prefix}/users/{{user_id}}")


async def test_an_unhandled_error_is_counted(make_app: MakeApp) -> None:
    async with make_app() as app, client_of(app) as client:

        @app.get("/crash/{name}")
        async def crash(name: str) -> None:
            raise RuntimeError("a programming error")

        answer = await client.get("/crash/one")
        samples = await metrics(client)

    assert answer.status_code == 500
    assert sample(samples, "http_requests_total", route="/crash/{name}", status="500") == 1


async def test_the_pool_shows_who_uses_waits_for_and_misses_a_connection(
    make_app: MakeApp, clock: Clock
) -> None:
    enough = asyncio.Event()

    async def work() -> None:
        async with app.state.database.transaction() as session:
            await session.execute(text("SELECT 1"))
            await enough.wait()

    async def shows(expected: dict[str, float | None]) -> bool:
        return pool(await metrics(client)) == expected

    idle = {"size": 1, "capacity": 2, "checked_out": 0, "overflow": 0, "waiting": 0}
    busy = {"size": 1, "capacity": 2, "checked_out": 2, "overflow": 1, "waiting": 2}
    async with make_app(db_pool_size=1, db_max_overflow=1) as app, client_of(app) as client:
        await until(lambda: shows(idle))
        before = sample(await metrics(client), "db_pool_timeouts_total") or 0
        tasks = [asyncio.create_task(work()) for _ in range(4)]
        await until(lambda: shows(busy))
        await clock.forward(PATIENCE + 1)
        enough.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: shows(idle))
        after = sample(await metrics(client), "db_pool_timeouts_total")

    timeouts = [outcome for outcome in outcomes if isinstance(outcome, PoolTimeoutError)]
    assert len(timeouts) == 2
    assert after == before + 2


def pool(samples: Samples) -> dict[str, float | None]:
    names = ("size", "capacity", "checked_out", "overflow", "waiting")
    return {name: sample(samples, f"db_pool_{name}") for name in names}


async def test_redis_that_is_away_shows(make_app: MakeApp) -> None:
    async with make_app() as app, client_of(app) as client:
        there = await metrics(client)
    async with make_app(redis_url="redis://127.0.0.1:1/0") as app, client_of(app) as client:
        away = await metrics(client)

    assert sample(there, "app_redis_up") == 1
    assert sample(away, "app_redis_up") == 0


def test_the_numbers_of_all_workers_add_up_and_survive_a_worker(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    with serve(tmp_path / "log", workers=2, PROMETHEUS_MULTIPROC_DIR=str(folder)) as address:
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: ask(address, 0.05), range(120)))
        workers = set(answers)
        assert len(workers) > 1, "one worker has served everything, so nothing is shown"
        wait_for(lambda: served(address) == 120)  # an answer is counted after it was sent
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
        statuses = [get(f"{address}/crash").status_code for _ in range(20)]
        crashes = {"name": "http_requests_total", "route": "/crash", "status": "500"}
        wait_for(lambda: sample(scrape(address), **crashes) == 20)

    assert statuses == [500] * 20


def ask(address: str, seconds: float) -> int:
    """Have a worker be busy; returns which one it was."""
    return int(get(f"{address}/slow/{seconds}").raise_for_status().text)


def ask_in_vain(url: str) -> None:
    with suppress(httpx2.TransportError):
        get(url)


def served(address: str) -> float | None:
    return sample(scrape(address), "http_requests_total", route="/slow/{seconds}", status="200")


class Collector(ThreadingHTTPServer):
    """Receives spans as a collector does (OTLP over HTTP, protobuf)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []
        self.answers = threading.Event()
        self.answers.set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        resources = [resource for request in requests for resource in request.resource_spans]
        return [s for r in resources for scope in r.scope_spans for s in scope.spans]


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.answers.wait()
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        yield collector
        collector.answers.set()
        collector.shutdown()
        thread.join()


def exported_to(collector: Collector) -> dict[str, str]:
    """Return the variables with which a server sends spans there, and waits for it if need be."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        "OTEL_EXPORTER_OTLP_TIMEOUT": str(10 * PATIENCE),
    }


def test_a_request_is_one_trace_and_its_log_lines_name_it(
    collector: Collector, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    upstream = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    variables = exported_to(collector) | {"OTEL_SERVICE_NAME": "shop"}
    with serve(log, **variables) as address:
        query = {"ask": f"{collector.address}/token?code=secret"}
        get(f"{address}/work/ann", params=query, headers=upstream).raise_for_status()
        get(f"{address}{API_PREFIX}/health")
    # The server has stopped: nothing is sent that was not flushed at its end.

    spans = collector.spans()
    assert {span.trace_id.hex() for span in spans} == {"0af7651916cd43dd8448eb211c80319c"}
    (request,) = [span for span in spans if span.kind == span.SPAN_KIND_SERVER]
    assert request.name == "GET /work/{name}"
    assert request.parent_span_id.hex() == "b7ad6b7169203331"
    clients = {span.name for span in spans if span.kind == span.SPAN_KIND_CLIENT}
    assert {"SELECT", "PING", "GET"} <= clients
    sent = b"".join(collector.bodies)
    assert b"shop" in sent
    assert b"secret" not in sent
    assert b"SELECT $1" in sent

    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    ours = {line["event"]: line for line in lines if line.get("request_id")}
    assert ours["worked"]["trace_id"] == request.trace_id.hex()
    assert ours["request"]["trace_id"] == request.trace_id.hex()


def test_a_collector_that_does_not_answer_slows_no_request_down(
    collector: Collector, tmp_path: Path
) -> None:
    collector.answers.clear()
    with serve(tmp_path / "log", **exported_to(collector)) as address:
        answers = [get(f"{address}/slow/0") for _ in range(20)]
        collector.answers.set()

    assert {answer.status_code for answer in answers} == {200}
    assert len([span for span in collector.spans() if span.name == "GET /slow/{seconds}"]) == 20


def test_without_an_endpoint_nothing_of_it_is_even_imported(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serve(log) as address:
        get(f"{address}/slow/0").raise_for_status()

    wait_for(lambda: '"event": "request"' in log.read_text())
    assert "trace_id" not in log.read_text()
