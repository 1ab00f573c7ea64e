"""Edits of YAML, TOML and JSON files, found by their lines: every line that holds a key with a plain value is a place."""

import io
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cases import Case, Replace, both, contradiction, rewritten, some
from ruamel.yaml import YAML

PER_FILE = 6
KEYS = {
    "yaml": re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z_][\w.-]*): (?P<value>(?![|>&*!{\[#\"'])[^#\n]*[^#\s])\n", re.MULTILINE),
    "toml": re.compile(r"^(?P<indent>)(?P<key>[A-Za-z_][\w-]*) = (?P<value>\"[^\"\n]*\"|\d+|true|false)\n", re.MULTILINE),
    "json": re.compile(r'^(?P<indent> *)"(?P<key>[^"\n]+)": (?P<value>"[^"\n]*"|[\d.]+|true|false)(?P<comma>,?)\n', re.MULTILINE),
}
VALUES = {"yaml": ("ours-value", "theirs-value"), "toml": ('"ours"', '"theirs"'), "json": ('"ours"', '"theirs"')}


@dataclass(frozen=True)
class Line:
    """A key with its value on one line."""

    start: int
    end: int
    indent: str
    key: str
    value: tuple[int, int]
    last: bool


def keys(text: str, language: str) -> list[Line]:
    """Return the lines that hold a key and a plain value."""
    found = KEYS[language].finditer(text)
    return [
        Line(hit.start(), hit.end(), hit["indent"], hit["key"], hit.span("value"), language == "json" and not hit["comma"])
        for hit in found
    ]


def added(language: str, line: Line, key: str, value: str) -> list[Replace]:
    """Return the addition of a key below a line."""
    if language == "json" and line.last:
        return [Replace(line.value[1], line.value[1], f',\n{line.indent}"{key}": "{value}"')]
    text = {"yaml": f"{key}: {value}", "toml": f'{key} = "{value}"', "json": f'"{key}": "{value}",'}[language]
    return [Replace(line.end, line.end, f"{line.indent}{text}\n")]


def cases(text: str, language: str, chance: random.Random) -> Iterator[Case]:
    """Yield the cases of one file."""
    places = keys(text, language)
    ours_value, theirs_value = VALUES[language]
    for (number,) in some(chance, ((number,) for number in range(len(places))), PER_FILE):
        line = places[number]
        change, other = ([Replace(*line.value, value)] for value in (ours_value, theirs_value))
        yield both(
            "both add a key at one place",
            language,
            text,
            added(language, line, "ours", "one"),
            added(language, line, "theirs", "two"),
        )
        yield contradiction(
            "both add a key of one name",
            language,
            text,
            added(language, line, "ours", "one"),
            added(language, line, "ours", "two"),
        )
        yield contradiction("both change one value", language, text, change, other)
        if not line.last:
            yield contradiction(
                "one deletes a line, the other changes it", language, text, [Replace(line.start, line.end, "")], other
            )
        yield both("a key added below a line that the other changes", language, text, added(language, line, "ours", "one"), other)
        if language != "json":
            comment = [Replace(line.start, line.start, f"{line.indent}# why, by ours\n")]
            yield both("a comment above a line that the other changes", language, text, comment, other)
            behind = [Replace(line.value[1], line.value[1], "  # why, by ours")]
            yield both("a comment behind a value that the other changes", language, text, behind, other)
        following = places[number + 1] if number + 1 < len(places) else None
        if following and following.start == line.end:
            yield both("adjacent lines changed", language, text, change, [Replace(*following.value, theirs_value)])
            if following.indent == line.indent and not following.last:
                both_lines = text[following.start : following.end] + text[line.start : line.end]
                swap = [Replace(line.start, following.end, both_lines)]
                right = both_lines.replace(
                    text[slice(*line.value)] + ("," if language == "json" else ""),
                    theirs_value + ("," if language == "json" else ""),
                )
                result = text[: line.start] + right + text[following.end :]
                if both_lines.count(text[slice(*line.value)]) == 1:
                    yield Case(
                        "one swaps two lines, the other changes one",
                        language,
                        text,
                        _with(text, swap),
                        _with(text, other),
                        (result,),
                    )
    yield from reformats(text, language, places, chance)
    if language == "yaml":
        yield from sequences(text, chance)
    if language == "toml":
        yield from tables(text, chance)
    if language != "yaml":
        yield from arrays(text, language, chance)


def _with(text: str, edit: list[Replace]) -> str:
    for part in sorted(edit, key=lambda part: part.start, reverse=True):
        text = text[: part.start] + part.text + text[part.end :]
    return text


def reformats(text: str, language: str, places: list[Line], chance: random.Random) -> Iterator[Case]:
    """Yield cases in which one side changes the layout of the whole file."""
    rewrite = {"json": four_spaces, "yaml": indented_items, "toml": short_arrays}[language]
    if rewrite(text) == text:
        return
    for (number,) in some(chance, ((number,) for number in range(len(places))), PER_FILE // 2):
        edit = [Replace(*places[number].value, VALUES[language][1])]
        yield rewritten("one side reformats the file", language, text, rewrite, edit)
        add = added(language, places[number], "theirs", "two")
        yield rewritten("one side reformats the file, the other adds a key", language, text, rewrite, add)


def four_spaces(text: str) -> str:
    """Indent JSON by four spaces."""
    return json.dumps(json.loads(text), indent=4, ensure_ascii=False) + "\n"


def indented_items(text: str) -> str:
    """Indent YAML by four spaces."""
    writer = YAML()
    writer.preserve_quotes, writer.width = True, 4096
    writer.indent(mapping=4, sequence=4, offset=2)
    written = io.StringIO()
    writer.dump_all(list(writer.load_all(text)), written)
    return written.getvalue()


def short_arrays(text: str) -> str:
    """Write TOML's arrays of plain strings on one line."""

    def joined(hit: re.Match[str]) -> str:
        return "[" + ", ".join(part.strip().rstrip(",") for part in hit[1].strip().splitlines()) + "]"

    return re.sub(r"\[\n((?: +\"[^\"\n]*\",?\n)+)\]", joined, text)


def arrays(text: str, language: str, chance: random.Random) -> Iterator[Case]:
    """Yield cases of arrays with an element per line: dependencies, mostly."""
    pattern = r'^( +)"[^"\n]*",\n' if language == "toml" else r'^( +)"[^"\n:]*",\n(?= +")'
    places = list(re.finditer(pattern, text, flags=re.MULTILINE))
    for (number,) in some(chance, ((number,) for number in range(len(places))), PER_FILE * 3):
        end, indent = places[number].end(), places[number][1]
        ours, theirs = ([Replace(end, end, f'{indent}"{name}>=1",\n')] for name in ("ours", "theirs"))
        yield both("both add an element to an array", language, text, ours, theirs)
        bumped = [Replace(places[number].end(1), end, '"bumped>=9",\n')]
        yield both("an element added below one that the other changes", language, text, ours, bumped)
        following = places[number + 1] if number + 1 < len(places) else None
        if following and following.start() == end:
            other = [Replace(following.end(1), following.end(), '"other>=9",\n')]
            yield both("adjacent elements changed", language, text, bumped, other)
            removed = [Replace(places[number].start(), end, "")]
            yield both("an element removed beside one that the other changes", language, text, removed, other)
        gone = [Replace(places[number].start(), end, "")]
        yield contradiction("one deletes a line, the other changes it", language, text, gone, bumped)


def tables(text: str, chance: random.Random) -> Iterator[Case]:
    """Yield cases of TOML's tables."""
    heads = [hit.start() for hit in re.finditer(r"^\[", text, flags=re.MULTILINE)][1:]
    for (place,) in some(chance, ((head,) for head in heads), PER_FILE * 2):
        before = len(text[:place].rstrip("\n")) + 1
        if text[:place].rstrip("\n").splitlines()[-1].startswith("#"):
            continue
        one, two = ([Replace(before, before, f"\n[tool.{name}]\nkey = 1\n")] for name in ("ours", "theirs"))
        yield both("both add a table at one place", "toml", text, one, two)
        key = [Replace(before, before, "ours = 1\n")]
        table = text[:place].rstrip("\n")
        yield Case("a key added at a table's end, and a table after it", "toml", text, _with(text, key), _with(text, two),
                   (table + "\nours = 1\n\n[tool.theirs]\nkey = 1\n" + text[before:],))  # fmt: skip
        again = [Replace(before, before, '\n[[tool.mypy.overrides]]\nmodule = "theirs"\n')]
        entry = [Replace(before, before, '\n[[tool.mypy.overrides]]\nmodule = "ours"\n')]
        yield both("both add an entry to an array of tables", "toml", text, entry, again)


def sequences(text: str, chance: random.Random) -> Iterator[Case]:
    """Yield cases of YAML's sequences and blocks."""
    items = list(re.finditer(r"^( *- )(?=[\w\"'./]+\n)", text, flags=re.MULTILINE))
    for (number,) in some(chance, ((number,) for number in range(len(items))), PER_FILE):
        start, dash = items[number].start(), items[number][1]
        end = text.index("\n", start) + 1
        ours, theirs = ([Replace(end, end, f"{dash}{name}\n")] for name in ("ours", "theirs"))
        yield both("both add an element to a list", "yaml", text, ours, theirs)
        changed = [Replace(items[number].end(), end - 1, "changed")]
        yield both("an element added below one that the other changes", "yaml", text, ours, changed)
    yield from blocks(text, chance)


def blocks(text: str, chance: random.Random) -> Iterator[Case]:
    """Yield cases of the entries of a mapping that are blocks themselves: services, jobs; and of items that are: steps."""
    pattern = re.compile(
        r"^(?P<head>( {2,}- |  )[\w-]+:[^\n]*\n)(?P<body>(?:(?: {3,}[^\s#-]| {5,}\S)[^\n]*\n|\n(?= {3,}\S))+)", re.MULTILINE
    )
    for hit in _chosen(chance, [hit for hit in pattern.finditer(text) if hit["body"].count("\n") > 1], PER_FILE):
        step = "- " in hit[2]
        place, indent = hit.end(), " " * (len(hit[2]) - (2 if step else 0))
        one, two = (
            [
                Replace(
                    place,
                    place,
                    f"{indent}- name: {name}\n{indent}  run: make {name}\n"
                    if step
                    else f"{indent}{name}:\n{indent}  image: {name}:1\n{indent}  restart: always\n",
                )
            ]
            for name in ("ours", "theirs")
        )
        what = "a step" if step else "a block"
        yield both(f"both add {what} at one place", "yaml", text, one, two)
        inner = keys(hit["body"], "yaml")
        if inner:
            last = inner[-1]
            edit = [Replace(hit.start("body") + last.value[0], hit.start("body") + last.value[1], "theirs-value")]
            yield both(f"{what} added beside a line that the other changes", "yaml", text, one, edit)
            yield contradiction(
                f"one deletes {what}, the other edits it", "yaml", text, [Replace(hit.start(), hit.end(), "")], edit
            )
        own = f"{indent}  ours-key: one\n"
        yield _after(text, place, own, two[0].text, what)


def _after(text: str, place: int, own: str, block: str, what: str) -> Case:
    """Return the case in which one side ends a block by a key and the other begins one there: only one order is right."""
    right = text[:place] + own + block + text[place:]
    return Case(f"a key added at the end of {what}, and {what} after it", "yaml", text, text[:place] + own + text[place:],
                text[:place] + block + text[place:], (right,))  # fmt: skip


def _chosen(chance: random.Random, found: list, most: int) -> list:
    return [found[number] for (number,) in some(chance, ((number,) for number in range(len(found))), most)]
