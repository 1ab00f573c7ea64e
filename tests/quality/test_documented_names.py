"""Paths, make targets and environment variables that a page names exist: prose must not outlive the code."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.combinations import features
from support.markdown import table_rows, tokens
from support.rendering import REPOSITORY, template_sources
from support.tools import program

from evergreen.journal import FOLDER as JOURNAL_FOLDER

TARGET = re.compile(r"(?:^|&& |`)make ((?:[a-z][a-z0-9-]*)(?: [a-z][a-z0-9-]*)*)", re.MULTILINE)
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
#: Constants of the code that pages mention.
ELSEWHERE = {"PUBLIC_ROUTES"}
#: What the guides' readers make.
MADE_BY_READERS = re.compile(r"notes|1001-|^build/|sentry|schemathesis\.toml")
#: A version in a file's name: such a page tells of any release's file, so its folder has to exist.
PLACEHOLDER = "X_Y_Z"
#: What the companion makes in a project's `.git`, where nothing else may be named.
MADE_BY_THE_COMPANION = f".git/{JOURNAL_FOLDER}"


def codes(page: Path) -> Iterator[tuple[bool, str]]:
    """Yield the code of a page, whether it is a block, and its text."""
    for token in tokens(page):
        if token.type == "code_inline":
            yield False, token.content
        elif token.type in ("code_block", "fence"):
            yield True, token.content


def missing_paths(root: Path, page: Path) -> list[str]:
    """Return the paths below one of the root's folders that a page names and that do not exist."""
    folders = {path.name for path in root.iterdir() if path.is_dir()}
    found = []
    for block, code in codes(page):
        if block or not re.fullmatch(r"[\w.-]+/[\w./-]*", code) or code.split("/")[0] not in folders:
            continue
        path = Path(code).parent if PLACEHOLDER in Path(code).name else Path(code)
        if not (root / path).exists() and not MADE_BY_READERS.search(code) and path.as_posix() != MADE_BY_THE_COMPANION:
            found.append(code)
    return found


def missing_targets(root: Path, page: Path) -> list[str]:
    """Return the make targets that a page names and that the Makefile lacks."""
    named = {target for _, code in codes(page) for words in TARGET.findall(code) for target in words.split()}
    return sorted(named - make_targets(root))


def make_targets(root: Path) -> set[str]:
    """Return the targets that make itself knows in a folder."""
    database = subprocess.run(
        [program("make", "make"), "--print-data-base", "--question", "--no-builtin-rules", ":"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return set(re.findall(r"^([a-z][a-z0-9-]*):", database, re.MULTILINE))


def missing_variables(page: Path, known: set[str]) -> list[str]:
    """Return the environment variables that a page names and no table of the references lists."""
    named = {code.partition("=")[0] for block, code in codes(page) if not block}
    return sorted(name for name in named if VARIABLE.fullmatch(name) and name not in known | ELSEWHERE)


@pytest.fixture(scope="module")
def project(rendered: Callable[..., Path]) -> Path:
    """Return a project with every feature."""
    return rendered(**dict.fromkeys(features(), True))


def project_pages(project: Path) -> list[Path]:
    """Return the pages of a project; the changelog tells of the past."""
    return [page for page in sorted(project.rglob("*.md")) if page.name != "CHANGELOG.md"]


def own_pages() -> list[Path]:
    """Return the pages of this repository."""
    paths = [path for path in template_sources() if path.suffix == ".md" and path.parts[0] != "template"]
    return [REPOSITORY / path for path in paths if path.name != "CHANGELOG.md"]


def test_the_projects_pages_name_what_exists(project: Path) -> None:
    references = [project / "docs/reference/configuration.md", *(project / "docs/features").glob("*.md")]
    known = {cells[0] for page in references for _, cells in table_rows(page) if cells}
    faults = {
        page.relative_to(project).as_posix(): missing
        for page in project_pages(project)
        if (missing := missing_paths(project, page) + missing_targets(project, page) + missing_variables(page, known))
    }
    assert faults == {}


def test_this_repositorys_pages_name_what_exists(project: Path) -> None:
    here = make_targets(REPOSITORY)
    faults = {}
    for page in own_pages():
        targets = [target for target in missing_targets(project, page) if target not in here]
        paths = [path for path in missing_paths(REPOSITORY, page) if not (project / path).exists()]
        if targets or paths:
            faults[page.relative_to(REPOSITORY).as_posix()] = targets + paths
    assert faults == {}


def test_missing_names_are_found(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("dev:\n\ttrue\ntest-all: dev\n")
    (tmp_path / "app").mkdir()
    page = tmp_path / "page.md"
    page.write_text(
        "`app/` `app/gone.py` `make dev` `KNOWN_ONE` `GONE_ONE=1` `and/or` `app/vX_Y_Z.py` `app/gone/vX_Y_Z.py` "
        "`.git/evergreen/` `.git/elsewhere`\n\n    make dev    # runs\n    make test-all gone\n"
    )
    (tmp_path / ".git").mkdir()
    assert missing_paths(tmp_path, page) == ["app/gone.py", "app/gone/vX_Y_Z.py", ".git/elsewhere"]
    assert missing_targets(tmp_path, page) == ["gone"]
    assert missing_variables(page, {"KNOWN_ONE"}) == ["GONE_ONE"]
