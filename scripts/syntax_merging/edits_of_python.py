"""Edits of Python files: imports, functions, methods, arguments, moves, and those that contradict each other."""

import ast
import random
import re
import subprocess
import sys
from collections.abc import Iterator

from cases import Case, Replace, both, contradiction, rewritten, some

PER_FILE = 1


class Source:
    """A file with the places of its syntax, in characters."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self.starts = [0]
        for line in text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.lines = text.splitlines(keepends=True)

    def at(self, line: int, column: int) -> int:
        """Return the place of a line (from 1) and a column in bytes."""
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode()) if column else self.starts[line - 1]

    def start(self, node: ast.stmt | ast.expr) -> int:
        """Return where a node starts; a function with its decorators."""
        decorators = getattr(node, "decorator_list", [])
        line = min([node.lineno, *(item.lineno for item in decorators)])
        return self.starts[line - 1] if isinstance(node, ast.stmt) else self.at(node.lineno, node.col_offset)

    def end(self, node: ast.stmt | ast.expr) -> int:
        """Return where a node ends; a statement with its line."""
        if isinstance(node, ast.stmt):
            return self.starts[node.end_lineno or 0]
        return self.at(node.end_lineno or 0, node.end_col_offset or 0)


def cases(text: str, chance: random.Random) -> Iterator[Case]:
    """Yield the cases of one file."""
    source = Source(text)
    yield from _imports(source)
    functions = [node for node in source.tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for node in _some(chance, functions):
        yield from _function(source, node)
        if len(functions) > 1:
            yield from _moved(source, node)
    for node in _some(chance, [node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)]):
        yield from _class(source, node)
    calls = [node for node in ast.walk(source.tree) if isinstance(node, ast.Call) and len(node.args) + len(node.keywords) > 1]
    for node in _some(chance, calls):
        yield from _call(source, node)
    simple = [
        node for node in ast.walk(source.tree) if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.Name)
    ]
    for node in _some(chance, simple):
        yield from _assignment(source, node)
    bodies = [node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for node in _some(chance, bodies):
        yield from _statements(source, node)
    for node in _some(chance, [node for node in ast.walk(source.tree) if isinstance(node, ast.List | ast.Dict) and _size(node)]):
        yield from _elements(source, node)
    yield from _reformatted(source, chance)


def _some(chance: random.Random, nodes: list) -> list:
    return [nodes[number] for (number,) in some(chance, ((number,) for number in range(len(nodes))), PER_FILE)]


def _imports(source: Source) -> Iterator[Case]:
    imports = [node for node in source.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    if not imports:
        return
    end = source.end(imports[-1])
    ours, theirs = [Replace(end, end, "import ours_module\n")], [Replace(end, end, "from theirs_module import theirs_name\n")]
    yield both("both add an import at one place", "python", source.text, ours, theirs)
    named = [node for node in imports if isinstance(node, ast.ImportFrom) and node.lineno == node.end_lineno]
    if named:
        names = source.end(named[-1]) - 1
        ours, theirs = [Replace(names, names, ", ours_name")], [Replace(names, names, ", theirs_name")]
        if source.text[names] == "\n" and "#" not in source.lines[named[-1].lineno - 1] and not source.text[:names].endswith(")"):
            yield both("both add a name to one import", "python", source.text, ours, theirs)


def _function(source: Source, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Case]:
    end = source.end(node)
    one, two = (f"\n\ndef {name}() -> str:\n    # {name} says why\n    return {name!r}\n" for name in ("ours", "theirs"))
    yield both("both add a function at one place", "python", source.text, [Replace(end, end, one)], [Replace(end, end, two)])
    again = two.replace("def theirs", "def ours")
    yield contradiction(
        "both add a function of one name", "python", source.text, [Replace(end, end, one)], [Replace(end, end, again)]
    )
    start, body = source.start(node), node.body[-1]
    inside = source.end(body)
    added = [Replace(inside, inside, " " * body.col_offset + "theirs_call()\n")]
    yield contradiction("one deletes a function, the other edits it", "python", source.text, [Replace(start, end, "")], added)
    if node.args.args and not (node.args.vararg or node.args.kwarg or node.args.kwonlyargs or node.args.defaults):
        last = node.args.args[-1]
        place = source.at(last.end_lineno or 0, last.end_col_offset or 0)
        ours, theirs = [Replace(place, place, ", ours: int = 1")], [Replace(place, place, ", theirs: int = 2")]
        yield both("both add a parameter", "python", source.text, ours, theirs)
    comment = [Replace(start, start, "# why, by ours\n")]
    header = source.at(node.lineno, node.col_offset)
    name = re.compile(rf"def {node.name}\b").search(source.text, header)
    if name:
        renamed = [Replace(name.end(), name.end(), "_renamed")]
        yield both("a comment above a line that the other changes", "python", source.text, comment, renamed)


def _moved(source: Source, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Case]:
    body = node.body[-1]
    inside = source.start(body)
    edit = [Replace(inside, inside, " " * body.col_offset + "theirs_call()\n")]
    opening = source.text[source.start(node) : source.end(node)].splitlines()[0]

    def move(text: str) -> str:
        found = Source(text)
        same = [item for item in found.tree.body if isinstance(item, type(node)) and item.name == node.name][-1]
        start, end = found.start(same), found.end(same)
        return (text[:start].rstrip() + "\n\n\n" + text[end:].lstrip("\n")).rstrip("\n") + "\n\n\n" + text[start:end]

    if source.text.count(opening) == 1:
        yield rewritten("one moves a function, the other edits it", "python", source.text, move, edit)


def _class(source: Source, node: ast.ClassDef) -> Iterator[Case]:
    end, indent = source.end(node), " " * (node.col_offset + 4)
    one, two = (
        f"\n{indent}def {name}(self) -> str:\n{indent}    # {name} says why\n{indent}    return {name!r}\n"
        for name in ("ours", "theirs")
    )
    yield both("both add a method at one place", "python", source.text, [Replace(end, end, one)], [Replace(end, end, two)])
    fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
    if fields:
        place = source.end(fields[-1])
        ours, theirs = ([Replace(place, place, f"{indent}{name}: int = 1\n")] for name in ("ours", "theirs"))
        yield both("both add a class attribute at one place", "python", source.text, ours, theirs)
        other = [Replace(place, place, f"{indent}ours: int = 2\n")]
        yield contradiction("both add a class attribute of one name", "python", source.text, ours, other)


def _call(source: Source, node: ast.Call) -> Iterator[Case]:
    last = max(
        [*node.args, *(keyword.value for keyword in node.keywords)], key=lambda part: (part.end_lineno, part.end_col_offset)
    )
    place = source.end(last)
    if any(keyword.arg is None for keyword in node.keywords) or isinstance(last, ast.GeneratorExp):
        return
    ours, theirs = [Replace(place, place, ", ours=1")], [Replace(place, place, ", theirs=2")]
    yield both("both add a keyword argument to one call", "python", source.text, ours, theirs)
    other = [Replace(place, place, ", ours=2")]
    yield contradiction("both add a keyword argument of one name", "python", source.text, ours, other)
    first = min([*node.args, *(keyword.value for keyword in node.keywords)], key=lambda part: (part.lineno, part.col_offset))
    if isinstance(first, ast.Name | ast.Constant) and isinstance(last, ast.Name | ast.Constant):
        ours = [Replace(source.start(first), source.end(first), "ours_value")]
        theirs = [Replace(source.start(last), source.end(last), "theirs_value")]
        yield both("two arguments of one line changed", "python", source.text, ours, theirs)


def _assignment(source: Source, node: ast.Assign) -> Iterator[Case]:
    start, end = source.start(node.value), source.end(node.value)
    ours, theirs = [Replace(start, end, "ours_value")], [Replace(start, end, "theirs_value")]
    yield contradiction("both change one value", "python", source.text, ours, theirs)
    name = node.targets[0]
    renamed = [Replace(source.end(name), source.end(name), "_renamed")]
    yield both("one changes the name, the other the value", "python", source.text, renamed, theirs)


def _statements(source: Source, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Case]:
    body = [part for part in node.body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))]
    if len(body) < 2:
        return
    indent, place = " " * body[0].col_offset, source.end(body[0])
    ours, theirs = [Replace(place, place, f"{indent}ours()\n")], [Replace(place, place, f"{indent}theirs()\n")]
    yield contradiction("both add a statement at one place: the order counts", "python", source.text, ours, theirs)
    first, second = source.start(body[0]), source.end(body[1])
    yield both("statements added around two adjacent ones", "python", source.text,
               [Replace(first, first, f"{indent}ours()\n")], [Replace(second, second, f"{indent}theirs()\n")])  # fmt: skip
    start = source.start(body[-1])
    wrapped = "".join(
        f"    {line}" if line.strip() else line for line in source.text[start : source.end(body[-1])].splitlines(True)
    )
    if '"""' not in wrapped and place <= start:
        ours = [Replace(start, source.end(body[-1]), f"{indent}if ours:\n{wrapped}")]
        yield both("one puts a statement into a block, the other adds one before it", "python", source.text, ours, [
            Replace(start, start, f"{indent}theirs()\n")])  # fmt: skip


def _size(node: ast.List | ast.Dict) -> int:
    return len(node.elts if isinstance(node, ast.List) else node.values)


def _elements(source: Source, node: ast.List | ast.Dict) -> Iterator[Case]:
    last = node.elts[-1] if isinstance(node, ast.List) else node.values[-1]
    if isinstance(last, ast.Starred | ast.GeneratorExp) or (isinstance(node, ast.Dict) and node.keys[-1] is None):
        return
    place = source.end(last)
    one, two = ('"ours"', '"theirs"') if isinstance(node, ast.List) else ('"ours": 1', '"theirs": 2')
    what = "a list" if isinstance(node, ast.List) else "a dictionary"
    yield both(f"both add an element to {what}", "python", source.text, [Replace(place, place, f", {one}")],
               [Replace(place, place, f", {two}")])  # fmt: skip
    if isinstance(node, ast.Dict):
        yield contradiction("both add a key of one name", "python", source.text, [Replace(place, place, ', "ours": 1')],
                            [Replace(place, place, ', "ours": 2')])  # fmt: skip


def reformatted(text: str) -> str:
    """Return a text as ruff formats it with short lines."""
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "60", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def _reformatted(source: Source, chance: random.Random) -> Iterator[Case]:
    names = [node for node in ast.walk(source.tree) if isinstance(node, ast.Constant) and isinstance(node.value, int)
             and not isinstance(node.value, bool)]  # fmt: skip
    if reformatted(source.text) != source.text:
        for node in _some(chance, names):
            edit = [Replace(source.start(node), source.end(node), "4711")]
            yield rewritten("one side reformats the file", "python", source.text, reformatted, edit)
