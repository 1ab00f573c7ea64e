"""Adds or changes a key in a YAML file without touching another line.

ruamel.yaml says where things are; the text is then changed in that place only, since writing the whole document anew would
lose alignment, quotes and indentation that it does not keep. Needs ruamel.yaml: `Migration(needs=("ruamel.yaml",))`.
"""

import io
import re
from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from migrations.model import MigrationError

Key = str | int
AMBIGUOUS = re.compile(r"(?i:y|n|yes|no|on|off|[-+.\d][\d_:.+-]*(e[-+]?\d+)?|0[xbo][\da-f_]+)")


def set_key(text: str, path: Sequence[Key], value: Any) -> str:
    """Return a YAML text in which a key has a value.

    Args:
        text: a file with one document.
        path: keys, and indices of lists, that lead to it; everything but the last is there already.
        value: a scalar, or a list or mapping, which is written in block form.

    Raises:
        MigrationError: the path is not there, or the change would touch another line (a mapping in braces, an anchor).
    """
    document = _load(text)
    parent, key = _parent(document, path), path[-1]
    if not isinstance(parent, CommentedMap | CommentedSeq) or parent.fa.flow_style():
        raise MigrationError(f"{_name(path)}: what it belongs to is not a mapping or list in block form.")
    expected = _plain(document)
    _parent(expected, path)[key] = value
    if _plain(document) == expected:
        return text
    present = key in parent if isinstance(parent, CommentedMap) else int(key) < len(parent)
    changed = _replace(text, parent, key, value) if present else _append(text, parent, key, value)
    if not _reads_as(changed, expected):
        raise MigrationError(f"{_name(path)} cannot be set without touching another line. Change it by hand to {value!r}.")
    return changed


def _load(text: str) -> Any:
    return YAML().load(text)


def _reads_as(text: str, expected: Any) -> bool:
    try:
        return bool(_plain(_load(text)) == expected)
    except YAMLError:
        return False


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(item) for item in node] if isinstance(node, list) else node


def _parent(document: Any, path: Sequence[Key]) -> Any:
    node = document
    for step, key in enumerate(path[:-1]):
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            raise MigrationError(f"{_name(path[: step + 1])} is not in the file.") from None
    return node


def _name(path: Sequence[Key]) -> str:
    return ".".join(map(str, path))


def _block(key: Key, value: Any, indent: int) -> list[str]:
    """Return the lines of a key with its value."""
    stream = io.StringIO()
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump({key: _quoted(value)}, stream)
    return [" " * indent + line if line.strip() else line for line in stream.getvalue().splitlines(keepends=True)]


def _quoted(value: Any) -> Any:
    """Quote words that readers of YAML 1.1 take for something else: `on`, `yes`, `1_000`."""
    if isinstance(value, dict):
        return {key: _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) and AMBIGUOUS.fullmatch(value) else value


def _replace(text: str, parent: CommentedMap | CommentedSeq, key: Key, value: Any) -> str:
    lines = _lines(text)
    old = parent[key]
    row, column = parent.lc.value(key) if isinstance(parent, CommentedMap) else parent.lc.item(key)
    if isinstance(old, CommentedMap | CommentedSeq) or isinstance(value, dict | list):
        raise MigrationError(f"'{key}' holds more than a scalar; add keys to it, or change it in the module's own code.")
    line = lines[row]
    end = _end_of_scalar(line, column)
    literal = "".join(_block("key", value, 0)).removeprefix("key:").strip("\n").strip(" ")
    space = "" if line[:column].endswith((" ", "\t")) else " "
    lines[row] = line[:column] + space + literal + line[end:]
    return "".join(lines)


def _end_of_scalar(line: str, start: int) -> int:
    """Return the column behind a scalar that begins in a column and ends in the same line."""
    quote = line[start : start + 1]
    if quote in ("'", '"'):
        at = start + 1
        while at < len(line):
            if quote == '"' and line[at] == "\\":
                at += 2
            elif line[at] == quote and not (quote == "'" and line[at : at + 2] == "''"):
                return at + 1
            else:
                at += 2 if line[at] == quote else 1
    comment = line.find(" #", start)
    return len(line[: comment if comment >= 0 else len(line)].rstrip())


def _append(text: str, parent: CommentedMap | CommentedSeq, key: Key, value: Any) -> str:
    if isinstance(parent, CommentedSeq) or not parent:
        raise MigrationError(f"'{key}' can be added to a mapping that has a key already, and to nothing else.")
    lines = _lines(text)
    last = list(parent)[-1]
    row, indent = parent.lc.key(last)
    at = row + 1
    while at < len(lines) and (not lines[at].strip() or _indent(lines[at]) > indent or _continues(lines[at], indent)):
        at += 1
    while at > row + 1 and not lines[at - 1].strip():
        at -= 1
    if at and not lines[at - 1].endswith("\n"):
        lines[at - 1] += "\n"
    lines[at:at] = _block(key, value, indent)
    return "".join(lines)


def _lines(text: str) -> list[str]:
    """Split at line feeds only: `str.splitlines` also splits at characters that may stand inside of a scalar."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _continues(line: str, indent: int) -> bool:
    """Say whether a line is an item of the list that a key in the same column holds."""
    return _indent(line) == indent and line.lstrip(" ").startswith("- ")
