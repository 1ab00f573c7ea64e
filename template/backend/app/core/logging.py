"""Structured logs: one pipeline for structlog, the standard library and the server.

At its end stands what no log may hold: secrets, known by the name of their field or by their form
in a text.
"""

import logging
import os
import re
import sys
from collections.abc import Mapping
from errno import ENOSPC
from functools import lru_cache
from select import PIPE_BUF, select
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from app.core.context import get_request
from app.core.settings import Settings

logger = structlog.get_logger(__name__)

# Chatty at INFO; HTTP clients write whole URLs, and a URL may hold a code or a token.
# SQLAlchemy's pool logs by its class's name, and ours is not below `sqlalchemy`.
QUIETER: Final = (
    *("httpx", "httpx2", "httpcore", "httpcore2", "asyncio"),
    "app.core.database.ConnectionPool",
)
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
SIGNS: Final = ("bearer", "://", "eyj")
"""One of them, in small letters, is in whatever SENSITIVE_TEXT finds. To look for them first takes
a fifth of the time: nearly all texts have none."""

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


class StandardOutput(logging.Handler):
    """Writes to what is standard output when a line is written, and not when this was made.

    A line that cannot be written is lost and counted: no request waits for a reader that hangs, or
    fails because a disk is full.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0
        """Lines lost since the last one that was written."""
        self._torn = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, and after an interruption one that tells how many are missing."""
        text = self.format(record)
        try:
            self._write(text + "\n")
        except (OSError, ValueError):  # ValueError: it has been closed
            self.lost += 1
            return
        if self.lost:
            lost, self.lost = self.lost, 0
            logger.warning("log lines were lost", lines=lost)

    def _write(self, text: str) -> None:
        """Write a text to standard output's file, or to what a test has put in its place.

        Raises:
            OSError: it cannot be written, or not without waiting; a part may have been.
        """
        try:
            number = sys.stdout.fileno()
        except (OSError, ValueError):
            sys.stdout.write(text)
            return
        data = ("\n" * self._torn + text).encode(errors="replace")
        for start in range(0, len(data), PIPE_BUF):
            # A pipe that takes anything takes that many bytes at once (POSIX, pipe(7)).
            if not select([], [number], [], 0)[1]:
                raise BlockingIOError
            written = start + os.write(number, data[start : start + PIPE_BUF])
            self._torn = written < len(data)
            if written < min(start + PIPE_BUF, len(data)):
                raise OSError(ENOSPC, "written in part")


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
    hidden = isinstance(name, str) and is_sensitive(name)
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


@lru_cache(maxsize=1024)
def is_sensitive(name: str) -> bool:
    """Tell whether what has this name is a secret; the same few names come with every line."""
    return SENSITIVE_NAME.search(name.replace("-", "_")) is not None


def redact_text(text: str) -> str:
    """Return a text without the tokens and passwords in it."""
    lowered = text.lower()
    if not any(sign in lowered for sign in SIGNS):
        return text
    return SENSITIVE_TEXT.sub(
        lambda found: f"{found['bearer'] or found['url'] or ''}{REDACTED}", text
    )
