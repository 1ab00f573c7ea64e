"""The page of faults: every row names a test, and the test is there."""

import re
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?P<fault>[^|]+) \|[^|]+\|[^|]*\| (?P<template>\*template\* )?`(?P<path>[\w/.]+)::(?P<name>\w+)` \|$")


def test_every_fault_has_a_test(rendered: Callable[..., Path]) -> None:
    project = rendered()
    lines = (project / "docs/reference/faults.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|")][2:]
    assert len(rows) > 15

    missing = [
        row for row in rows if not (match := ROW.match(row)) or not has_test(REPOSITORY if match["template"] else project, match)
    ]

    assert missing == []


def test_every_test_of_a_fault_is_in_the_table(rendered: Callable[..., Path]) -> None:
    page = (rendered() / "docs/reference/faults.md").read_text(encoding="utf-8")
    tests = {
        f"tests/behaviour/{file}::{name}"
        for file in ("test_faults.py", "test_saturation.py")
        for name in re.findall(
            r"^def (test_\w+)", (REPOSITORY / "tests/behaviour" / file).read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert {test for test in tests if f"`{test}`" not in page} == set()


def has_test(root: Path, row: re.Match[str]) -> bool:
    """Tell whether the test that a row names exists."""
    path = root / row["path"]
    return (
        path.is_file()
        and re.search(rf"^(async )?def {row['name']}\(", path.read_text(encoding="utf-8"), re.MULTILINE) is not None
    )
