"""Every file of a generated project has one owner, and the page that says so matches the tree."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec
from support.combinations import features
from support.markdown import table_rows
from support.rendering import files_of

PAGE = "docs/explanation/ownership.md"
OWNERS = {"template", "team", "shared", "generated"}
SEAM_LINES = 20
#: The team's example to copy or delete, which is longer than a seam, with its journeys.
EXAMPLE = ("todos", "/e2e/")
#: Patterns of files that a team writes when it needs them; no release brings one.
WRITTEN_BY_THE_TEAM = {"/backend/schemathesis.toml"}


def owners_table(project: Path) -> list[tuple[str, str]]:
    """Return the page's patterns with their owners, in order."""
    return [(cells[0], cells[1]) for _, cells in table_rows(project / PAGE)]


def by_pattern(paths: list[str], table: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the files that each pattern decides about; those that none matches are under an empty pattern."""
    specs = [(pattern, GitIgnoreSpec.from_lines([pattern])) for pattern, _ in table]
    decided: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        decided[next((pattern for pattern, spec in specs if spec.match_file(path)), "")].append(path)
    return decided


@pytest.fixture(scope="module")
def everything(rendered: Callable[..., Path]) -> Path:
    """Return a project with every feature."""
    return rendered(**dict.fromkeys(features(), True))


def test_every_file_has_an_owner(everything: Path) -> None:
    table = owners_table(everything)
    assert {owner for _, owner in table} == OWNERS
    assert by_pattern(list(files_of(everything)), table)[""] == []


def test_every_pattern_decides_about_a_file(everything: Path) -> None:
    table = owners_table(everything)
    decided = by_pattern(list(files_of(everything)), table)
    patterns = [pattern for pattern, _ in table]
    assert {pattern for pattern in patterns if not decided[pattern]} == WRITTEN_BY_THE_TEAM
    assert len(set(patterns)) == len(patterns)


def test_seams_are_small(everything: Path) -> None:
    table = owners_table(everything)
    files = files_of(everything)
    decided = by_pattern(list(files), table)
    of_the_team = [path for pattern, owner in table if owner == "team" for path in decided[pattern]]
    seams = [path for path in of_the_team if not any(part in path for part in EXAMPLE)]
    assert seams
    lengths = {path: len(files[path].splitlines()) for path in seams}
    assert {path: lines for path, lines in lengths.items() if lines > SEAM_LINES} == {}


def test_the_first_pattern_decides() -> None:
    """The check itself: order counts, and a file without an owner is seen."""
    table = [("/app/modules/", "team"), ("/app/", "template"), ("*.md", "shared")]
    decided = by_pattern(["app/main.py", "app/modules/x.py", "docs/a.md", "docs/b.txt"], table)
    assert decided == {
        "/app/": ["app/main.py"],
        "/app/modules/": ["app/modules/x.py"],
        "*.md": ["docs/a.md"],
        "": ["docs/b.txt"],
    }
