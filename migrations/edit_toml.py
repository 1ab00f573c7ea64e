"""Adds a dependency to a `pyproject.toml` as `uv add` would: sorted, one per line, every other line as it is.

Needs tomlkit: `Migration(needs=("tomlkit",))`.
"""

import re
from collections.abc import Callable
from typing import Any, cast

import tomlkit
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tomlkit.items import Array, Table

ITEM_START = re.compile(r"[\"']")
ITEM = re.compile(r"""(?P<indent>\s*)(?P<value>"[^"\\]*"|'[^']*')(?P<comma>,?)(?P<rest>\s*(\#.*)?)""")


def add_dependency(text: str, requirement: str, *, extra: str = "", group: str = "") -> str:
    """Return the file's text with one more dependency.

    Args:
        text: of a `pyproject.toml`.
        requirement: in PEP 508's form, such as `sentry-sdk>=2.40`.
        extra: the optional feature that it belongs to, if not to the project's own dependencies.
        group: the dependency group that it belongs to, likewise.

    A package that is there already stays as the team has it, whatever its version.
    """
    requirement = _normal(requirement)
    document = tomlkit.parse(text)
    if group:
        table, key = _table(document, "dependency-groups"), group
    elif extra:
        table, key = _table(_table(document, "project"), "optional-dependencies"), extra
    else:
        table, key = _table(document, "project"), "dependencies"
    new_table = not table
    if key not in table:
        table.append(key, tomlkit.array())
    array = cast("Array", table[key])
    present = [str(item) for item in array.unwrap() if isinstance(item, str)]
    if any(_name(item) == _name(requirement) for item in present):
        return text
    table[key] = _rewritten(array, requirement)
    if not new_table:
        return tomlkit.dumps(document)
    table.add(tomlkit.nl())  # before the next table
    return tomlkit.dumps(document).rstrip("\n") + "\n"


def _table(parent: tomlkit.TOMLDocument | Table, name: str) -> Table:
    if name not in parent:
        parent.append(name, tomlkit.table())
    return cast("Table", parent[name])


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def _normal(requirement: str) -> str:
    """Return a requirement with its name in the normal form (PEP 503), as uv writes it."""
    parsed = Requirement(requirement)
    return canonicalize_name(parsed.name) + requirement.strip().removeprefix(parsed.name)


def _by_name(requirement: str) -> tuple[str, str]:
    """Order by name first; uv falls back to this where plain text is not in order (`redis[hiredis]`, `redis2`)."""
    name = re.match(r"[A-Za-z0-9._-]*", requirement)
    length = name.end() if name else 0
    return requirement[:length].lower(), requirement[length:].lower()


def _rewritten(array: Array, requirement: str) -> Array:
    """Insert a line into a list that has one item per line; a list on one line gets that form, as uv does."""
    values = [str(value) for value in array.unwrap()]
    lines = array.as_string().split("\n")
    items = [(number, match) for number, line in enumerate(lines) if (match := ITEM.fullmatch(line))]
    if len(items) != len(values) or len(lines) == 1 or ITEM_START.search(lines[0]) or lines[-1].strip() != "]":
        lines = ["[", *(f"    {tomlkit.item(value).as_string()}," for value in values), "]"]
        items = [(number, match) for number, line in enumerate(lines) if (match := ITEM.fullmatch(line))]
    indent = items[0][1]["indent"] if items else "    "
    position = len(values)
    orders: tuple[Callable[[str], Any], ...] = (str.lower, _by_name)
    for order in orders:
        if values == sorted(values, key=order):
            position = sum(order(value) < order(requirement) for value in values)
            break
    if position < len(values):
        at = items[position][0]
        while lines[at - 1].lstrip().startswith("#"):  # what a comment is about stays below it
            at -= 1
    else:
        at = items[-1][0] + 1 if items else len(lines) - 1
        if items and not items[-1][1]["comma"]:
            number, match = items[-1]
            lines[number] = f"{indent}{match['value']},{match['rest']}"
    lines.insert(at, f"{indent}{tomlkit.item(requirement).as_string()},")
    return cast("Array", tomlkit.value("\n".join(lines)))
