"""No instruction of a generated project asks its team to edit a file that a release may replace.

Read are the sentences of every page and every comment, and the commands of the pages that write files. What counts is a verb in
the form of an instruction, and the name of a file or folder that the project has.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from pathspec import GitIgnoreSpec
from support.combinations import features
from support.markdown import table_rows
from support.rendering import files_of

PAGE = "docs/explanation/ownership.md"
VERB = (
    r"(?:add|adjust|alter|append|change|comment out|customi[sz]e|delete|drop|edit|extend|fill in|give|insert|let|list|modify"
    r"|number|overwrite|put|remove|rename|replace|rewrite|set|take|uncomment|update|write)\b"
)
INSTRUCTION = re.compile(rf"(?<![\w-]){VERB}", re.IGNORECASE)
#: The same words as nouns, forbidden, or done by somebody else.
NO_INSTRUCTION = re.compile(
    r"\b(?:the|an?|its|their|this|that|which|each|every|of|no|not|never|n't|nor|may|can|could|would|will|nothing|whoever"
    rf"|features|releases|it|they|make) (?:\w+ )?{VERB}",
    re.IGNORECASE,
)
NAME = re.compile(r"(?<![\w./<>@:-])(?:[\w.-]+/)*(?:\.?\w[\w.-]*\.\w+|\.\w[\w.-]*|\w+/|[A-Z]\w+file)(?!\w)")
HERE = re.compile(r"\b(?:here|this file|this list|below)\b")
COMMENT = re.compile(r"^\s*(?:#|//|/?\*+|--|<!--)\s?(.*?)(?:\*/|-->)?$")
WRITING = {"rm": 0, "mv": 0, "cp": -1, "perl": 1, "sed": 1, "touch": 0, "truncate": 0, "tee": 0}
#: How texts begin that name a file and ask for no edit of it, and what they are.
OTHERWISE = {
    "Without Docker, unpack Keycloak's distribution, put realm.json into its data/import": "a copy elsewhere",
    "Read Keycloak's realm file and fill in its `${NAME}` placeholders": "what the code below does",
    "A script that must tell apart what it is calls the command itself": "a command called update",
    "Then remove .github/workflows/template-update.yml": "a deletion: every update keeps it, and no conflict can come of it",
    "Run from the project's root; the arguments are evergreen's.": "a command called update",
}


def sentences(text: str) -> Iterator[str]:
    """Split running text."""
    yield from re.split(r"(?<=[.;:!?])\s+(?=[A-Z`*(])", " ".join(text.split()))


def said_in_page(page: Path) -> Iterator[str]:
    """Yield a page's sentences; a row of a table is one, with what stands above its columns."""
    heads: list[str] = []
    cells: list[str] = []
    stream = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    for before, token in pairwise([*stream[:1], *stream]):
        if token.type == "table_open":
            heads, cells = [], []
        elif token.type == "tr_close":
            if cells:
                yield " | ".join(f"{head}: {cell}" for head, cell in zip(heads, cells, strict=False))
            cells = []
        elif token.type == "inline":
            children = token.children or ()
            text = "".join(" " if child.type == "softbreak" else child.content for child in children)
            if before.type in {"th_open", "td_open"}:
                (heads if before.type == "th_open" else cells).append(text)
            else:
                yield from sentences(text)


def said_in_code(file: Path) -> Iterator[str]:
    """Yield the sentences of a file's comments; lines of comment that follow one another belong together."""
    block: list[str] = []
    for line in [*file.read_text(encoding="utf-8").splitlines(), ""]:
        comment = COMMENT.match(line)
        if comment:
            block.append(comment[1])
        elif block:
            yield from sentences(" ".join(block))
            block = []


def written_by_commands(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the commands of a page that write, and each file that they write."""
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type in {"code_block", "fence"}:
            for line in token.content.replace("\\\n", " ").splitlines():
                yield from _written(line)


def _written(line: str) -> Iterator[tuple[str, str]]:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # no shell
        return
    names = [word for word in words[1:] if not word.startswith("-")]
    if words and words[0] in WRITING:
        for name in names[WRITING[words[0]] :]:
            yield line.strip(), name
    for sign, name in pairwise(words):
        if sign in {">", ">>"}:
            yield line.strip(), name


def every_sentence(project: Path) -> Iterator[tuple[str, str]]:
    """Yield each sentence of a project that is written for people, after the name of its file."""
    for name in files_of(project):
        if name.endswith(".md"):
            yield from ((name, sentence) for sentence in said_in_page(project / name))
        elif not name.endswith((".json", ".svg")):
            yield from ((name, sentence) for sentence in said_in_code(project / name))


def instructions(project: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the file, the text and each name of every instruction to edit something."""
    for where, sentence in every_sentence(project):
        words = NO_INSTRUCTION.sub("", NAME.sub("", sentence))
        if INSTRUCTION.search(words):
            yield from ((where, sentence, name) for name in NAME.findall(sentence))
            if not where.endswith(".md") and HERE.search(words):
                yield where, sentence, where
    for page in sorted(project.rglob("*.md")):
        for command, name in written_by_commands(page):
            yield page.relative_to(project).as_posix(), command, name


def owner_of(project: Path) -> Callable[[str], str]:
    """Return what tells a file's owner, by the project's page."""
    rules = [(GitIgnoreSpec.from_lines([cells[0]]), cells[1]) for _, cells in table_rows(project / PAGE)]
    return lambda path: next((owner for rule, owner in rules if rule.match_file(path)), "")


def meant(name: str, project: dict[str, bytes]) -> list[str]:
    """Return the files that a name stands for: a path from the root, or the end of one; or all below a folder."""
    if name in project:
        return [name]
    folder = f"{name.rstrip('/')}/"
    inside = [path for path in project if f"/{path}".startswith(f"/{folder}") or f"/{folder}" in path]
    return inside or [path for path in project if path.endswith(f"/{name}")]


def misplaced(project: Path) -> list[str]:
    """Return a line for each instruction to edit a file that only the template owns."""
    files, owner = files_of(project), owner_of(project)
    return [
        f"{where}: {name} belongs to the {' and '.join(owners)}: {text}"
        for where, text, name in instructions(project)
        if not text.startswith(tuple(OTHERWISE))
        and (owners := {owner(path) for path in meant(name, files)})
        and not owners & {"team", "shared"}
    ]


def test_nothing_asks_to_edit_a_file_of_the_template(rendered: Callable[..., Path]) -> None:
    project = rendered(**dict.fromkeys(features(), True))
    assert misplaced(project) == []
    assert len({name for _, _, name in instructions(project)}) > 15, "instructions are found at all"


def test_what_is_excused_is_there(rendered: Callable[..., Path]) -> None:
    said = [sentence for _, sentence in every_sentence(rendered(**dict.fromkeys(features(), True)))]
    assert [beginning for beginning in OTHERWISE if not any(text.startswith(beginning) for text in said)] == []


TABLE = "| pattern | owner |\n|---|---|\n| `/app/modules/` | team |\n| `/Makefile` | shared |\n| `/*` | template |\n"
ASKING = {
    "docs/how-to.md": "Add your scope to `app/scopes.py`.",
    "docs/guide.md": "Give `e2e/` a page of yours\nto work with.",
    "docs/table.md": "| It finds | Write |\n|---|---|\n| a secret | an entry in `scopes.py` |\n",
    "docs/commands.md": "Then:\n\n    perl -pi -e 's/a/b/' app/scopes.py\n",
    "docs/more-commands.md": "```sh\necho x >> app/scopes.py\n```\n",
    "app/other.py": "X = 1\n# To switch it off, edit\n# app/scopes.py.\n",
    "app/scopes.py": "# Put your own scopes here.\n",
    "e2e/page.ts": "/* Change app/scopes.py, too. */\n",
}
NOT_ASKING = {
    "docs/how-to.md": "Add it to `app/modules/list.py`, and a target to the `Makefile`. Never edit `app/scopes.py`.",
    "docs/facts.md": "Features add theirs in `app/scopes.py`. A release may change `app/scopes.py`. See [Add](app/scopes.py).",
    "docs/new.md": "Write `app/theirs.py`. The list in `app/scopes.py` is long.\n\n    cp app/scopes.py app/modules/list.py\n",
    "app/modules/list.py": "# Add yours here.\n",
}


def made(folder: Path, files: dict[str, str]) -> Path:
    for name, text in {
        "app/scopes.py": "",
        "app/modules/list.py": "",
        "e2e/page.ts": "",
        "Makefile": "",
        PAGE: TABLE,
        **files,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("where", ASKING)
def test_the_check_sees_what_asks(where: str, tmp_path: Path) -> None:
    (fault, *_) = misplaced(made(tmp_path, {where: ASKING[where]}))
    assert fault.startswith(f"{where}: ")


@pytest.mark.parametrize("where", NOT_ASKING)
def test_the_check_sees_what_does_not_ask(where: str, tmp_path: Path) -> None:
    assert misplaced(made(tmp_path, {where: NOT_ASKING[where]})) == []
