"""Structured logs: one pipeline for structlog, the standard library and the server."""

import logging
import sys
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from app.core.context import get_request
from app.core.redaction import redact
from app.core.settings import Settings

# Chatty at INFO; HTTP clients write whole URLs, and a URL may hold a code or a token.
QUIETER: Final = ("httpx", "httpx2", "httpcore", "httpcore2", "asyncio")
_added: Final[list[Processor]] = []


def configure_logging(settings: Settings) -> None:
    """Send every log line to standard output: JSON for machines, colours for people."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_request,
        run_added,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = StandardOutput()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=renderers(as_json=settings.logs_are_json)
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    for name in QUIETER:
        logging.getLogger(name).setLevel(logging.WARNING)
    take_over_server_logs()


class StandardOutput(logging.StreamHandler[Any]):
    """Writes to what is standard output when a line is written, and not when this was made."""

    @property
    def stream(self) -> Any:  # noqa: ANN401 - as the base declares it
        """Return standard output."""
        return sys.stdout

    @stream.setter
    def stream(self, _: object) -> None:
        """Ignore the stream that the base wants to keep."""


def renderers(*, as_json: bool) -> list[Processor]:
    """Return the pipeline's end: tracebacks become text, without variables; all is redacted."""
    if as_json:
        render: Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        render = structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        drop_server_colours,
        structlog.processors.format_exc_info,
        redact,
        render,
    ]


def take_over_server_logs() -> None:
    """Let uvicorn's lines through here, but for its access log: `RequestContext` writes ours."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    access = logging.getLogger("uvicorn.access")
    access.handlers = []
    access.propagate = False


def add_processor(processor: Processor) -> None:
    """Let a feature add fields to every line, such as the ids of a trace."""
    if processor not in _added:
        _added.append(processor)


def run_added(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Apply the processors that features have added."""
    for processor in _added:
        event = processor(logger, name, event)  # type: ignore[assignment]  # adders return an EventDict
    return event


def add_request(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Add the running request's id, tenant and user."""
    if (request := get_request()) is None:
        return event
    event.setdefault("request_id", request.request_id)
    if request.tenant is not None:
        event.setdefault("tenant_id", str(request.tenant.id))
    if request.user_id is not None:
        event.setdefault("user_id", str(request.user_id))
    return event


def drop_server_colours(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Drop uvicorn's second, coloured copy of its message."""
    event.pop("color_message", None)
    return event
