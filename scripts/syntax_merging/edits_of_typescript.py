"""Edits of TypeScript files, found by the layout that Prettier gives them: a block ends with a brace at its own indentation."""

import random
import re
from collections.abc import Iterator

from cases import Case, Edit, Replace, both, contradiction, rewritten, some

PER_FILE = 3
HEAD = r"^(?P<indent>{indent})(?P<head>{head}[^\n]*)\{{\n(?P<body>(?:(?!(?P=indent)\S)[^\n]*\n)*)(?P=indent)\}}\n"
FUNCTION = re.compile(HEAD.format(indent="", head=r"(?:export )?(?:async )?function "), re.MULTILINE)
CLASS = re.compile(HEAD.format(indent="", head=r"(?:export )?class "), re.MULTILINE)
INTERFACE = re.compile(HEAD.format(indent="", head=r"(?:export )?interface "), re.MULTILINE)
METHOD = re.compile(HEAD.format(indent="  ", head=r"(?:(?:private|protected|override|async|static) )*[#\w]+\("), re.MULTILINE)
CONSTANT = re.compile(r"^( *(?:export )?const (\w+)(?:: [^=\n]+)? = )([^\n{(\[`=]+);\n", re.MULTILINE)
IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
NAMED = re.compile(r"^import \{ ([^}\n]+) \} from", re.MULTILINE)
STATEMENT = re.compile(r"^( +)(?:const |let |await |void |this\.|super\.)[^\n]*;\n", re.MULTILINE)
CALL = re.compile(r"^ +(?:(?:const \w+ = |return )?(?:await )?)[\w.]+\(([\w.\"']+), ([\w.\"']+)\);\n", re.MULTILINE)


def cases(text: str, chance: random.Random) -> Iterator[Case]:
    """Yield the cases of one file."""
    make = _Maker(text)
    imports = list(IMPORT.finditer(text))
    if imports:
        end = imports[-1].end()
        yield make.both(
            "both add an import at one place", end, 'import { ours } from "./ours";\n', 'import { theirs } from "./theirs";\n'
        )
    for hit in _some(chance, list(NAMED.finditer(text)), 2):
        yield make.both("both add a name to one import", hit.end(1), ", ours", ", theirs")
    functions = list(FUNCTION.finditer(text))
    for hit in _some(chance, functions):
        yield from _function(make, hit)
    for hit in _some(chance, list(CLASS.finditer(text)), 2):
        place = hit.end() - 2
        yield make.both(
            "both add a method at one place",
            place,
            *(f'\n  {name}(): string {{\n    // {name} says why\n    return "{name}";\n  }}\n' for name in ("ours", "theirs")),
        )
    for hit in _some(chance, list(INTERFACE.finditer(text)), 3):
        place = hit.end() - 2
        yield make.both("both add a member to an interface", place, "  ours: string;\n", "  theirs?: number;\n")
        yield make.contradiction("both add a member of one name", place, place, "  ours: string;\n", "  ours: number;\n")
    for hit in _some(chance, list(METHOD.finditer(text))):
        yield from _deleted(make, hit, "a method")
    for hit in _some(chance, list(CONSTANT.finditer(text))):
        yield make.contradiction("both change one value", *hit.span(3), "oursValue", "theirsValue")
        ours, theirs = [Replace(hit.end(2), hit.end(2), "Renamed")], [Replace(*hit.span(3), "theirsValue")]
        yield both("one changes the name, the other the value", "typescript", text, ours, theirs)
        comment = [Replace(hit.start(), hit.start(), "// why, by ours\n")]
        yield both("a comment above a line that the other changes", "typescript", text, comment, theirs)
    for hit in _some(chance, list(CALL.finditer(text))):
        ours, theirs = [Replace(*hit.span(1), "oursValue")], [Replace(*hit.span(2), "theirsValue")]
        yield both("two arguments of one line changed", "typescript", text, ours, theirs)
        yield make.both("both add an argument to one call", hit.end(2), ", oursValue", ", theirsValue")
    for hit in _some(chance, list(STATEMENT.finditer(text))):
        yield make.contradiction(
            "both add a statement at one place: the order counts",
            hit.end(),
            hit.end(),
            f"{hit[1]}ours();\n",
            f"{hit[1]}theirs();\n",
        )
        edits = [Replace(hit.start(), hit.start(), f"{hit[1]}ours();\n")], [Replace(hit.end(), hit.end(), f"{hit[1]}theirs();\n")]
        yield both("statements added around one", "typescript", text, *edits)
        twice = [Replace(hit.start(), hit.start(), f"{hit[1]}if (ours) {{\n  "), Replace(hit.end(), hit.end(), f"{hit[1]}}}\n")]
        before = [Replace(hit.start(), hit.start(), f"{hit[1]}theirs();\n")]
        right = text[: hit.start()] + before[0].text + twice[0].text + hit[0] + twice[1].text + text[hit.end() :]
        ours_text = text[: hit.start()] + twice[0].text + hit[0] + twice[1].text + text[hit.end() :]
        theirs_text = text[: hit.start()] + before[0].text + text[hit.start() :]
        yield Case(
            "one puts a statement into a block, the other adds one before it",
            "typescript",
            text,
            ours_text,
            theirs_text,
            (right,),
        )
    for hit in _some(chance, list(CONSTANT.finditer(text)), 2):
        yield rewritten("one side reformats the file", "typescript", text, _indented, [Replace(*hit.span(3), "theirsValue")])


class _Maker:
    """Makes cases of one text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def both(self, kind: str, place: int, one: str, two: str) -> Case:
        return both(kind, "typescript", self.text, [Replace(place, place, one)], [Replace(place, place, two)])

    def contradiction(self, kind: str, start: int, end: int, one: str, two: str) -> Case:
        return contradiction(kind, "typescript", self.text, [Replace(start, end, one)], [Replace(start, end, two)])


def _function(make: _Maker, hit: re.Match[str]) -> Iterator[Case]:
    text, end = make.text, hit.end()
    one, two = (
        f'\nexport function {name}(): string {{\n  // {name} says why\n  return "{name}";\n}}\n' for name in ("ours", "theirs")
    )
    yield make.both("both add a function at one place", end, one, two)
    yield make.contradiction("both add a function of one name", end, end, one, two.replace("function theirs", "function ours"))
    yield from _deleted(make, hit, "a function")
    edit: Edit = [Replace(hit.start("body"), hit.start("body"), "  theirs();\n")]

    def move(changed: str) -> str:
        found = next(item for item in FUNCTION.finditer(changed) if item["head"] == hit["head"])
        return (
            (changed[: found.start()].rstrip("\n") + "\n\n" + changed[found.end() :].lstrip("\n")).rstrip("\n")
            + "\n\n"
            + found[0]
        )

    if text.count(hit["head"]) == 1 and text[end:].strip():
        yield rewritten("one moves a function, the other edits it", "typescript", text, move, edit)


def _deleted(make: _Maker, hit: re.Match[str], what: str) -> Iterator[Case]:
    gone = [Replace(hit.start(), hit.end(), "")]
    edit = [Replace(hit.start("body"), hit.start("body"), hit["indent"] + "  theirs();\n")]
    yield contradiction(f"one deletes {what}, the other edits it", "typescript", make.text, gone, edit)


def _indented(text: str) -> str:
    """Return a text indented by four spaces a level."""
    return re.sub(r"^( +)", r"\1\1", text, flags=re.MULTILINE)


def _some(chance: random.Random, found: list[re.Match[str]], most: int = PER_FILE) -> list[re.Match[str]]:
    return [found[number] for (number,) in some(chance, ((number,) for number in range(len(found))), most)]
