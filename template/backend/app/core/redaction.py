"""What no log may hold: secrets, known by the name of their field or by their form in a text."""

import re
from collections.abc import Mapping
from typing import Final

from structlog.typing import EventDict, WrappedLogger

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
