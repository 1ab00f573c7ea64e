"""GitHub's expression language, as far as workflows use it: `${{ needs.plan.outputs.plan && !cancelled() }}`.

Source: GitHub's documentation, "Evaluate expressions in workflows and actions". A function or operator that is not known
here raises, so that a test of a workflow never passes on a value that was guessed.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|'(?P<string>(?:[^']|'')*)'|(?P<name>[A-Za-z_][\w-]*)|(?P<operator>&&|\|\||[=!<>]=|[!<>().,\[\]]))"
)
LITERALS: Final = {"true": True, "false": False, "null": None}
INSERTED: Final = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


class ExpressionError(Exception):
    """An expression that this module cannot evaluate."""


class Expression:
    """One expression, read by recursive descent."""

    def __init__(self, text: str, contexts: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> None:
        self.text, self.contexts = text, contexts
        self.functions = FUNCTIONS | dict(functions)
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip():
            match = TOKEN.match(text, position)
            if not match:
                raise ExpressionError(f"cannot read {text[position:]!r} of {text!r}")
            self.tokens.append((match.lastgroup or "", match[match.lastgroup or 0]))
            position = match.end()

    def value(self) -> Any:
        """Evaluate it.

        Raises:
            ExpressionError: it is not understood.
        """
        value = self._or()
        if self.tokens:
            raise ExpressionError(f"what is {self.tokens[0][1]!r} in {self.text!r}?")
        return value

    def _take(self, *operators: str) -> str | None:
        if self.tokens and self.tokens[0][0] == "operator" and self.tokens[0][1] in operators:
            return self.tokens.pop(0)[1]
        return None

    def _need(self, operator: str) -> None:
        if not self._take(operator):
            raise ExpressionError(f"{operator!r} is missing in {self.text!r}")

    def _or(self) -> Any:
        value = self._and()
        while self._take("||"):
            other = self._and()
            value = value if truthy(value) else other
        return value

    def _and(self) -> Any:
        value = self._equality()
        while self._take("&&"):
            other = self._equality()
            value = other if truthy(value) else value
        return value

    def _equality(self) -> Any:
        value = self._unary()
        while operator := self._take("==", "!="):
            other = self._unary()
            value, other = ("" if side is None else side for side in (value, other))  # null equals an empty string
            equal = value.lower() == other.lower() if isinstance(value, str) and isinstance(other, str) else value == other
            value = equal if operator == "==" else not equal
        return value

    def _unary(self) -> Any:
        return not truthy(self._unary()) if self._take("!") else self._path(self._primary())

    def _primary(self) -> Any:
        if self._take("("):
            value = self._or()
            self._need(")")
            return value
        if not self.tokens:
            raise ExpressionError(f"{self.text!r} ends too early")
        kind, text = self.tokens.pop(0)
        match kind:
            case "string":
                return text.replace("''", "'")
            case "number":
                return float(text)
            case "name" if text in LITERALS:
                return LITERALS[text]
            case "name" if self._take("("):
                return self._call(text)
            case "name" if text in self.contexts:
                return self.contexts[text]
        raise ExpressionError(f"{text!r} in {self.text!r} is unknown")

    def _call(self, name: str) -> Any:
        if name not in self.functions:
            raise ExpressionError(f"{name}() in {self.text!r} is unknown")
        arguments = []
        while not self._take(")"):
            arguments.append(self._or())
            self._take(",")
        return self.functions[name](*arguments)

    def _path(self, value: Any) -> Any:
        while operator := self._take(".", "["):
            if operator == ".":
                key: Any = self.tokens.pop(0)[1]
            else:
                key = self._or()
                self._need("]")
            # As at GitHub, what is not there is null, and an empty string where text is wanted.
            value = value.get(key) if isinstance(value, Mapping) else None
        return value


def truthy(value: Any) -> bool:
    """Return whether a value counts as true: an empty string, 0 and null do not."""
    return bool(value)


def hash_files(root: Path) -> Callable[..., str]:
    """Return the function hashFiles of a workspace."""

    def hashed(*patterns: str) -> str:
        paths = sorted({path for pattern in patterns for path in root.glob(pattern) if path.is_file()})
        return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest() if paths else ""

    return hashed


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "fromJSON": json.loads,
    "toJSON": lambda value: json.dumps(value, indent=2),
    "format": lambda text, *values: re.sub(r"\{(\d+)\}", lambda match: str(values[int(match[1])]), text),
    "contains": lambda where, what: what in (where or ""),
}


def evaluate(text: str, contexts: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> Any:
    """Return the value of an expression, with or without `${{ }}` around it."""
    whole = re.fullmatch(r"\s*\$\{\{(.*)\}\}\s*", text, re.DOTALL)
    return Expression(whole[1] if whole and "${{" not in whole[1] else text, contexts, functions).value()


def insert(value: Any, contexts: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> Any:
    """Return a value of a workflow with its expressions replaced; one that is all expression keeps its type."""
    if isinstance(value, dict):
        return {key: insert(item, contexts, functions) for key, item in value.items()}
    if isinstance(value, list):
        return [insert(item, contexts, functions) for item in value]
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"\s*\$\{\{((?!\$\{\{).)*\}\}\s*", value, re.DOTALL):
        return evaluate(value, contexts, functions)
    return INSERTED.sub(lambda match: text_of(evaluate(match[1], contexts, functions)), value)


def text_of(value: Any) -> str:
    """Return a value as GitHub writes it into text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
