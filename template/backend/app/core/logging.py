"""Structured logs: one pipeline for structlog, the standard library and the server.

At its end stands what no log may hold: secrets, known by the name of their field or by their form
in a text.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from app.core.context import get_request
from app.core.settings import Settings

# Chatty at INFO; HTTP clients write whole URLs, and a URL may hold a code or a token.
QUIETER: Final = ("httpx", "httpx2", "httpcore", "httpcore2", "asyncio")
_added: Final[list[Processor]] = []

REDACTED: Final = "[redacted]"
SENSITIVE_NAME: Final = re.compile(
    r"password|passwd|token|secret|api_?key|authorization|cookie|credit_?card|(^|_)ssn(_|$)",
    re.IGNORECASE,
)
SENSITIVE_TEXT: Final = re.compile(
    r"(?P<bearer>\bBearer\s+)[\w.~+/=-]{8,}"
    r"|(?P<url>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+(?=@)"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*",  # a JSON Web Token begins with {" in base64
    re.IGNORECASE,
)
DEPTH: Final = 8
"""Levels of nesting that are looked into; deeper values are dropped rather than trusted."""


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


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace sensitive values anywhere in a log event, a traceback's text included."""
    return {name: redact_value(name, value) for name, value in event.items()}


def redact_value(name: object, value: object, depth: int = DEPTH) -> object:
    """Return a value as it may be logged under a name."""
    hidden = isinstance(name, str) and SENSITIVE_NAME.search(name.replace("-", "_"))
    nested = isinstance(value, (Mapping, list, tuple, set, frozenset))
    if hidden or (nested and depth == 0):
        return REDACTED
    if isinstance(value, (str, bytes)):
        return redact_text(value if isinstance(value, str) else value.decode(errors="replace"))
    if isinstance(value, Mapping):
        return {key: redact_value(key, item, depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact_value(None, item, depth - 1) for item in value]
    return value


def redact_text(text: str) -> str:
    """Return a text without the tokens and passwords in it."""
    return SENSITIVE_TEXT.sub(
        lambda found: f"{found['bearer'] or found['url'] or ''}{REDACTED}", text
    )
