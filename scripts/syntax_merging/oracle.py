"""Judges a merge's result against the right ones, by what it means and by its lines.

Meaning: JSON, YAML and TOML are loaded (a key given twice is an error), TOML once more with arrays of strings sorted. Python is
parsed, and compared as it is, then with imports, functions, classes, class attributes and keyword arguments sorted. TypeScript is
compared without white space, then by its sorted lines.
"""

import ast
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import yaml
from cases import Case

CONFLICT, RIGHT_CONFLICT = "conflict", "conflict, rightly"
EXACT, ORDER, LAYOUT = "right", "right, other order", "right, other layout"
COMMENT, WRONG = "comment lost or strayed", "wrong"
MARKER = re.compile(r"^(<{7}|={7}|>{7}|\|{7})", re.MULTILINE)
COMMENTS = {"python": "#", "yaml": "#", "toml": "#", "typescript": "//", "json": "//"}
SORTED = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class _Strict(yaml.SafeLoader):
    """Refuses a key that is given twice."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = ["<<" if key.tag.endswith(":merge") else loader.construct_object(key, deep=True) for key, _ in node.value]
    return _unique(list(zip(keys, (loader.construct_object(value, deep=True) for _, value in node.value), strict=True)))


_Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _unique(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"a key is given twice: {[key for key, _ in pairs]}")
    return found


class _Unordered(ast.NodeTransformer):
    """Sorts what may stand in any order."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef):
            kinds = (*SORTED, ast.Assign, ast.AnnAssign) if isinstance(node, ast.ClassDef) else SORTED
            movable = [part for part in node.body if isinstance(part, kinds)]
            node.body = sorted(movable, key=ast.dump) + [part for part in node.body if not isinstance(part, kinds)]
        for name in ("keywords", "names"):
            if isinstance(getattr(node, name, None), list) and all(isinstance(part, ast.AST) for part in getattr(node, name)):
                setattr(node, name, sorted(getattr(node, name), key=ast.dump))
        return node


def squashed(text: str) -> str:
    """Return a text without white space, and without commas that only end a list."""
    return re.sub(r",(?=[)\]}>])", "", re.sub(r"\s+", "", text))


def lines(text: str) -> Counter[str]:
    """Count the lines that say something."""
    return Counter(line.strip() for line in text.splitlines() if line.strip())


def _sorted(value: Any) -> Any:
    """Sort arrays of strings: dependencies and rules may stand in any order."""
    if isinstance(value, dict):
        return {key: _sorted(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted(value) if all(isinstance(item, str) for item in value) else [_sorted(item) for item in value]
    return value


MEANINGS: dict[str, list[Callable[[str], Any]]] = {
    "json": [lambda text: json.loads(text, object_pairs_hook=_unique)],
    "yaml": [lambda text: list(yaml.load_all(text, Loader=_Strict))],
    "toml": [tomllib.loads, lambda text: _sorted(tomllib.loads(text))],
    "python": [lambda text: ast.dump(ast.parse(text)), lambda text: ast.dump(_Unordered().visit(ast.parse(text)))],
    "typescript": [squashed, lines],
}


@cache
def meaning(language: str, text: str, rank: int = 0) -> Any:
    """Return what can be compared.

    Raises:
        Exception: the text cannot be parsed.
    """
    return MEANINGS[language][rank](text)


@cache
def parses(language: str, text: str) -> bool:
    """Tell whether a text can be parsed."""
    try:
        meaning(language, text)
    except (SyntaxError, ValueError, yaml.YAMLError, RecursionError):
        return False
    return True


def same(language: str, one: str, other: str) -> int | None:
    """Return the rank of the first comparison by which both texts mean the same, 0 being the strictest; or nothing."""
    for rank in range(len(MEANINGS[language])):
        try:
            if meaning(language, one, rank) == meaning(language, other, rank):
                return rank
        except (SyntaxError, ValueError, yaml.YAMLError, RecursionError):
            return None
    return None


def comments(language: str, text: str) -> Counter[tuple[str, str]]:
    """Count the lines that are comments, each with the line that it stands above."""
    said = [line.strip() for line in text.splitlines() if line.strip()]
    sign = COMMENTS[language]
    return Counter((line, after) for line, after in zip(said, [*said[1:], ""], strict=True) if line.startswith((sign, "/*", "*")))


def judge(case: Case, merged: str, conflict: bool) -> str:
    """Return the verdict on a result."""
    if conflict:
        return CONFLICT if case.right else RIGHT_CONFLICT
    if merged in case.right:
        return EXACT
    ranks = {right: same(case.language, merged, right) for right in case.right}
    alike = {right: rank for right, rank in ranks.items() if rank is not None}
    if not alike or MARKER.search(merged):
        return WRONG
    if not any(_as_commented(case.language, merged, right) for right in alike):
        return COMMENT
    if any(lines(merged) == lines(right) for right in alike) and not any(squashed(merged) == squashed(right) for right in alike):
        return ORDER
    return LAYOUT


def _as_commented(language: str, merged: str, right: str) -> bool:
    found, wanted = comments(language, merged), comments(language, right)
    if Counter(text for text, _ in found.elements()) != Counter(text for text, _ in wanted.elements()):
        return False
    # A line that both sides' additions have moved may follow; one that neither side put there may not.
    return found == wanted or lines(merged) != lines(right)
