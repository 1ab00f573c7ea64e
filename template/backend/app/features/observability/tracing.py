"""Traces, sent to a collector. This module is imported only when there is one.

FastAPI itself makes the spans of requests, as soon as there is a tracer provider.
"""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TraceState
from opentelemetry.util.types import Attributes
from sqlalchemy import Connection, Engine, ExceptionContext, event
from structlog.typing import EventDict, WrappedLogger

from app import project
from app.core.logging import add_processor
from app.features.observability.settings import ObservabilitySettings

QUIET: Final = ("/health", "/health/ready", "/metrics")
"""Paths that are asked every few seconds, by machines."""

URLS: Final = frozenset({"url.full", "http.url"})

SPAN: Final = "span"
"""Key under which a connection's `info` holds the span of the statement that it is executing."""


def start_tracing(app: FastAPI, settings: ObservabilitySettings) -> None:
    """Make spans of requests, statements, Redis commands and outgoing calls, and export them.

    A collector that is away costs a request nothing: what does not fit into the queue is dropped.
    """
    for name, value in settings.otel_environment().items():
        os.environ.setdefault(name, value)
    resource = Resource.create(
        {"service.version": settings.app_version, "deployment.environment.name": settings.env}
    )
    provider = TracerProvider(resource=resource)
    provider.sampler = DiscreetSampler(provider.sampler)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    trace_statements(app.state.database.engine.sync_engine, provider)
    RedisInstrumentor().instrument(tracer_provider=provider)
    HTTPX2ClientInstrumentor().instrument(tracer_provider=provider)
    add_processor(add_trace)
    flush_at_the_end(app, provider)


def add_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Add the ids of the current trace to a log line, in hexadecimal as collectors write them."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event.setdefault("trace_id", trace.format_trace_id(context.trace_id))
        event.setdefault("span_id", trace.format_span_id(context.span_id))
    return event


def flush_at_the_end(app: FastAPI, provider: TracerProvider) -> None:
    """Send what is still queued when the application stops: `atexit` does not run in a worker."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        async with inner(app) as state:
            yield state
        provider.shutdown()

    app.router.lifespan_context = lifespan


class DiscreetSampler(Sampler):
    """Makes no span of probes, and keeps queries out of spans: theirs is the code of a login.

    For the rest it leaves the decision to the sampler that OTEL_TRACES_SAMPLER names.
    """

    def __init__(self, inner: Sampler) -> None:
        self.inner = inner

    def should_sample(  # noqa: PLR0913, PLR0917 - the interface of OpenTelemetry
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide on a span, before it is made."""
        if kind is SpanKind.SERVER and str((attributes or {}).get("url.path")).endswith(QUIET):
            return SamplingResult(Decision.DROP, trace_state=trace_state)
        return self.inner.should_sample(
            parent_context, trace_id, name, kind, without_queries(attributes), links, trace_state
        )

    def get_description(self) -> str:
        """Return the sampler's name."""
        return f"DiscreetSampler({self.inner.get_description()})"


def without_queries(attributes: Attributes) -> Attributes:
    """Return a span's attributes with every URL cut off before its query."""
    return {
        key: value.partition("?")[0] if key in URLS and isinstance(value, str) else value
        for key, value in (attributes or {}).items()
        if key != "url.query"
    }


def trace_statements(engine: Engine, provider: TracerProvider) -> None:
    """Make a span for each statement of an engine: its text with placeholders, its values never.

    OpenTelemetry's own instrumentation (0.66b1) does not admit SQLAlchemy 2.1. The attributes are
    those of OpenTelemetry's semantic conventions for databases, 1.30 and later.
    """
    tracer = provider.get_tracer(__name__)
    server = {
        "db.system.name": "postgresql",
        "db.namespace": engine.url.database or project.DATABASE,
        "server.address": engine.url.host or "localhost",
    }

    @event.listens_for(engine, "before_cursor_execute")
    def begin(connection: Connection, _: object, statement: str, *__: object) -> None:
        operation = statement.split(maxsplit=1)[0].upper()
        connection.info[SPAN] = tracer.start_span(
            operation,
            kind=SpanKind.CLIENT,
            attributes=server | {"db.operation.name": operation, "db.query.text": statement},
        )

    @event.listens_for(engine, "after_cursor_execute")
    def end(connection: Connection, *_: object) -> None:
        finish(connection, None)

    @event.listens_for(engine, "handle_error")
    def fail(context: ExceptionContext) -> None:
        if context.connection is not None:
            finish(context.connection, context.original_exception)


def finish(connection: Connection, error: BaseException | None) -> None:
    """End the span of the statement that a connection was executing, if there is one.

    An error is named by its type alone: its message may quote the values of a row.
    """
    span: Span | None = connection.info.pop(SPAN, None)
    if span is None:
        return
    if error is not None:
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(Status(StatusCode.ERROR))
    span.end()
