"""Traces, sent to a collector over HTTP, and the log lines that belong to them."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.observability_server import serve, wait_for


class Collector(ThreadingHTTPServer):
    """Receives spans as a collector does (OTLP over HTTP, protobuf)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []

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
        thread = Thread(target=collector.serve_forever)
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


def test_a_request_is_one_trace_and_its_log_lines_name_it(
    collector: Collector, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    upstream = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "OTEL_SERVICE_NAME": "shop"}
    with serve(log, **variables) as address:
        query = {"ask": f"{collector.address}/token?code=secret"}
        httpx2.get(f"{address}/work/ann", params=query, headers=upstream).raise_for_status()
        httpx2.get(f"{address}/api/v1/health")
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


def test_a_collector_that_is_away_slows_no_request_down(tmp_path: Path) -> None:
    with serve(tmp_path / "log", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1") as address:
        answers = [httpx2.get(f"{address}/slow/0", timeout=2) for _ in range(20)]

    assert {answer.status_code for answer in answers} == {200}


def test_without_an_endpoint_nothing_of_it_is_even_imported(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serve(log) as address:
        httpx2.get(f"{address}/slow/0").raise_for_status()

    wait_for(lambda: '"event": "request"' in log.read_text())
    assert "trace_id" not in log.read_text()
