"""What spans are made, and what they hold."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind, Tracer

from app.features.observability.sampling import DiscreetSampler


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
