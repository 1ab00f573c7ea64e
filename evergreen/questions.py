"""Answers given on the command line: checked for what Copier would take without a word."""

from collections.abc import Iterable, Mapping
from typing import Any

from evergreen.errors import RefusedError, values

BOOLEANS = frozenset(["y", "yes", "t", "true", "on", "1", "n", "no", "f", "false", "off", "0"])


def parse(given: Iterable[str]) -> dict[str, Any]:
    """Parse `name=value` arguments; the template's question decides the type."""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (equals and name):
            raise RefusedError(f"{text!r} is no answer. Write name=value, for example include_sentry=yes.")
        found[name] = value
    return found


def require_sensible(answers: Mapping[str, Any], questions: Mapping[str, Any], version: str) -> None:
    """Refuse answers to questions that a version does not ask, and a yes or no that is neither: Copier takes any text for yes."""
    known = sorted(questions)
    if unknown := sorted(answers.keys() - set(known)):
        raise RefusedError(f"Version {version} asks no question {values(unknown)}. Its questions: {values(known, 99)}.")
    for name, value in answers.items():
        if questions[name].get("type") == "bool" and str(value).lower() not in BOOLEANS:
            raise RefusedError(f"{name} is a yes or no, and {value!r} is neither. Write {name}=yes or {name}=no.")
