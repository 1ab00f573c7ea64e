"""Prints each requirement, whether a test proves it, and which. Usage: make requirements."""

import csv
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def tests_by_requirement() -> dict[str, list[str]]:
    """Ask pytest which tests carry which requirement (they are collected, not run)."""
    listing = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "--list-requirements"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = defaultdict(list)
    for line in listing.splitlines():
        if line.startswith("requirement\t"):
            _, identifier, test = line.split("\t")
            found[identifier].append(test)
    return found


def main() -> None:
    tests = tests_by_requirement()
    with (REPOSITORY / "docs/reference/requirements.tsv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    for row in rows:
        names = sorted({name.split("[")[0] for name in tests[row["id"]]})
        print(f"{row['id']:<12} {'proven' if names else 'open':<7} {row['requirement']}")
        for name in names:
            print(f"{'':<20} {name}")
    proven = sum(bool(tests[row["id"]]) for row in rows)
    print(f"{proven} of {len(rows)} requirements are proven by a test.")


if __name__ == "__main__":
    main()
