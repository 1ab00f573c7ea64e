"""A span for each statement. OpenTelemetry's own (0.66b1) does not admit SQLAlchemy 2.1."""

from typing import Final

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from sqlalchemy import Connection, Engine, ExceptionContext, event

from app import project

SPAN: Final = "span"
"""Key under which a connection's `info` holds the span of the statement that it is executing."""


def trace_statements(engine: Engine, provider: TracerProvider) -> None:
    """Make a span for each statement of an engine: its text with placeholders, its values never.

    The attributes are those of OpenTelemetry's semantic conventions for databases, 1.30 and later.
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
