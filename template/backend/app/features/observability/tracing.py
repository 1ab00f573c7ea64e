"""Traces, sent to a collector. This module is imported only when there is one.

FastAPI itself makes the spans of requests, as soon as there is a tracer provider.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from structlog.typing import EventDict, WrappedLogger

from app.core.logging import add_processor
from app.features.observability.sampling import DiscreetSampler
from app.features.observability.settings import ObservabilitySettings
from app.features.observability.sql_spans import trace_statements


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
