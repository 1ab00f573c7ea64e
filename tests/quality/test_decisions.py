"""Decision records: numbered without a gap, in MADR's form, no longer than a page."""

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.combinations import features
from support.markdown import PARSER, targets, text_of
from support.rendering import REPOSITORY

PAGE_LINES = 60
SECTIONS = ["Context", "Considered options", "Decision outcome", "Consequences"]


#: Numbers that the requirements give to decisions of later releases: security headers, Kubernetes.
RESERVED = frozenset({20, 21})


def faults(folder: Path, reserved: frozenset[int] = frozenset()) -> list[str]:
    """Return what is wrong with the records of a folder."""
    found = []
    expected = (number for number in itertools.count(1) if number not in reserved)
    for position, record in zip(expected, sorted(folder.glob("[0-9]*.md")), strict=False):
        number = record.name.split("-")[0]
        if int(number) != position:
            found.append(f"{record.name}: should be {position}")
        text = record.read_text(encoding="utf-8")
        stream = PARSER.parse(text)
        headings = [text_of(after) for token, after in itertools.pairwise(stream) if token.type == "heading_open"]
        if not headings or not headings[0].startswith(f"{number}. ") or headings[1:] != SECTIONS:
            found.append(f"{record.name}: headings {headings}")
        if not re.search(r"^Status: (proposed|accepted|rejected|deprecated|superseded by \S.*)$", text, re.MULTILINE):
            found.append(f"{record.name}: no status")
        options = text.partition("## Considered options")[2].partition("\n## ")[0]
        if len(re.findall(r"^\d\. ", options, re.MULTILINE)) < 2:
            found.append(f"{record.name}: fewer than two options")
        if len(text.splitlines()) > PAGE_LINES:
            found.append(f"{record.name}: longer than {PAGE_LINES} lines")
    return found


def linked_from_index(folder: Path) -> set[str]:
    """Return the records that the documentation's first page links to."""
    return {Path(target).name for target in targets(folder.parent / "README.md") if target.startswith("decisions/")}


def test_the_templates_decisions() -> None:
    folder = REPOSITORY / "docs" / "decisions"
    assert faults(folder) == []
    assert linked_from_index(folder) == {record.name for record in folder.glob("*.md")}


def test_the_projects_decisions(rendered: Callable[..., Path]) -> None:
    folder = rendered() / "docs" / "decisions"
    assert len(list(folder.glob("*.md"))) >= 18
    assert faults(folder, RESERVED) == []
    assert linked_from_index(folder) == {record.name for record in folder.glob("*.md")}


@pytest.mark.requirement("NFR-001")
@pytest.mark.parametrize("feature", [name.removeprefix("include_") for name in features()])
def test_every_feature_has_a_page_that_leads_to_its_decision(feature: str, rendered: Callable[..., Path]) -> None:
    page = rendered(**{f"include_{feature}": True}) / "docs" / "features" / f"{feature}.md"
    assert [target for target in targets(page) if target.startswith("../decisions/")] != []


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (("# 001. ", "# 1. "), "headings"),
        (("## Context", "## Why"), "headings"),
        (("Status: accepted", "Status: done"), "no status"),
        (("2. Two\n", ""), "fewer than two options"),
        (("1. One", "1. One\n" * PAGE_LINES), "longer"),
    ],
)
def test_faults_are_found(tmp_path: Path, broken: tuple[str, str], fault: str) -> None:
    sound = (
        "# 001. A\n\nStatus: accepted\n\n## Context\n\nC.\n\n## Considered options\n\n1. One\n2. Two\n\n"
        "## Decision outcome\n\nTwo.\n\n## Consequences\n\n- None.\n"
    )
    record = tmp_path / "001-a.md"
    record.write_text(sound)
    assert faults(tmp_path) == []
    record.write_text(sound.replace(*broken))
    assert [fault in line for line in faults(tmp_path)] == [True]
