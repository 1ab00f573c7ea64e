"""How requests are counted, who may read the metrics, where they are kept, which spans are made."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind, Tracer
from redis.exceptions import ConnectionError as RedisConnectionError
from starlette.types import Receive, Scope, Send

from app.features.observability.middleware import (
    MetricsEndpoint,
    RequestMetrics,
    method_label,
    route_label,
)
from app.features.observability.registry import (
    VARIABLE,
    exposition,
    forget_dead_workers,
    prepare_folder,
    start_time,
)
from app.features.observability.settings import ObservabilitySettings
from app.features.observability.tracing import DiscreetSampler
from tests.observability_server import parse, sample

Inner = Callable[[Scope, Receive, Send], Awaitable[None]]
TOKEN = {"metrics_token": "a long secret"}


async def nothing() -> dict[str, str]:
    return {"type": "http.disconnect"}


async def ignore(message: object) -> None:
    pass


async def counted(inner: Inner, route: str, status: str) -> float:
    """Send a request to an application behind the middleware; returns by how much a count rose."""
    scope = {"type": "http", "method": "GET", "path": "/", "route": Route(route)}
    before = count(route, status)
    with suppress(RuntimeError, asyncio.CancelledError):
        await RequestMetrics(inner)(scope, nothing, ignore)
    return count(route, status) - before


def count(route: str, status: str) -> float:
    samples = parse(exposition("")[0].decode())
    assert sample(samples, "http_requests_in_progress") == 0
    return sample(samples, "http_requests_total", route=route, status=status) or 0


class Route:
    def __init__(self, template: str) -> None:
        self.path_format = template


async def test_an_answer_counts_with_its_status() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": []})

    assert await counted(inner, "/created", "201") == 1


async def test_an_error_that_nothing_has_answered_counts_as_500() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    assert await counted(inner, "/raises", "500") == 1


async def test_an_error_in_the_middle_of_an_answer_counts_as_500() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    assert await counted(inner, "/breaks", "500") == 1


async def test_a_client_that_went_away_counts_as_499() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    assert await counted(inner, "/cancelled", "499") == 1


@pytest.mark.parametrize(
    ("method", "label"), [("PATCH", "PATCH"), ("get", "OTHER"), ("X1", "OTHER")]
)
def test_a_method_that_nobody_knows_is_no_series_of_its_own(method: str, label: str) -> None:
    assert method_label({"method": method}) == label


def test_a_route_is_named_by_its_whole_template() -> None:
    scope = {"fastapi": {"effective_route_context": Route("/api/things/{id}")}}

    assert route_label(scope | {"route": Route("/things/{id}")}) == "/api/things/{id}"
    assert route_label({"route": Route("/things/{id}")}) == "/things/{id}"
    assert route_label({"path": "/things/7"}) == "unmatched"


class NoRedis:
    async def ping(self) -> None:
        raise RedisConnectionError


class State:
    redis = NoRedis()


class App:
    state = State()


async def status(
    client: str | None, headers: dict[str, str] | None = None, method: str = "GET", **settings: str
) -> int:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body"})

    endpoint = MetricsEndpoint(inner, ObservabilitySettings(**settings))

    async def with_app(scope: Scope, receive: Receive, send: Send) -> None:
        await endpoint(scope | {"app": App(), "client": client and (client, 1)}, receive, send)

    transport = httpx2.ASGITransport(with_app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as sender:
        return (await sender.request(method, "/metrics", headers=headers)).status_code


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "172.18.0.5", "::ffff:10.1.2.3", None])
async def test_private_addresses_and_local_sockets_are_served(client: str | None) -> None:
    assert await status(client) == 200


@pytest.mark.parametrize(
    "client", ["203.0.113.9", "2001:db8::1", "::ffff:203.0.113.9", "testclient"]
)
async def test_others_are_not(client: str) -> None:
    assert await status(client) == 403


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
async def test_what_came_through_a_proxy_is_refused_although_the_proxy_is_near(header: str) -> None:
    assert await status("10.0.0.1", {header: "10.0.0.2"}) == 403


async def test_the_networks_are_a_setting() -> None:
    assert await status("203.0.113.9", metrics_allowed_networks="203.0.113.0/24") == 200
    assert await status("127.0.0.1", metrics_allowed_networks="203.0.113.0/24") == 403


async def test_a_token_replaces_the_address() -> None:
    right = {"Authorization": "Bearer a long secret", "X-Forwarded-For": "203.0.113.9"}

    assert await status("203.0.113.9", right, **TOKEN) == 200
    assert await status("127.0.0.1", {"Authorization": "Bearer wrong"}, **TOKEN) == 401
    assert await status("127.0.0.1", {"Authorization": "Bearer "}, **TOKEN) == 401
    assert await status("127.0.0.1", **TOKEN) == 401


async def test_only_reading_is_answered_here() -> None:
    assert await status("127.0.0.1", method="HEAD") == 200
    assert await status("127.0.0.1", method="POST") == 418


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
        theirs = parent / f"{other.pid}-{start_time(other.pid)}"
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


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> Tracer:
    provider = TracerProvider(sampler=DiscreetSampler(ALWAYS_ON))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("test")


def test_queries_are_kept_out(tracer: Tracer, exporter: InMemorySpanExporter) -> None:
    attributes = {
        "url.path": "/oauth/callback",
        "url.query": "code=secret",
        "url.full": "https://id.test/token?code=secret",
        "http.url": "https://id.test/token?code=secret",
        "db.query.text": "SELECT '?'",
    }
    tracer.start_span("GET", kind=SpanKind.SERVER, attributes=attributes).end()

    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes or {}) == {
        "url.path": "/oauth/callback",
        "url.full": "https://id.test/token",
        "http.url": "https://id.test/token",
        "db.query.text": "SELECT '?'",
    }


@pytest.mark.parametrize("path", ["/api/v1/health", "/api/v1/health/ready", "/metrics"])
def test_probes_are_not_traced(tracer: Tracer, exporter: InMemorySpanExporter, path: str) -> None:
    tracer.start_span("GET", kind=SpanKind.SERVER, attributes={"url.path": path}).end()

    assert exporter.get_finished_spans() == ()


def test_the_rest_is_decided_by_the_sampler_of_the_settings() -> None:
    provider = TracerProvider(sampler=DiscreetSampler(ALWAYS_OFF))
    span = provider.get_tracer("test").start_span("GET", kind=SpanKind.SERVER)

    assert not span.is_recording()
