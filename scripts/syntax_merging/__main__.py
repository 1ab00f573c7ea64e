"""Measures what mergiraf makes of merges whose right result is known, beside git. mergiraf has to be on PATH.

    python scripts/syntax_merging PROJECT [--seed 4] [--wrong FOLDER]

PROJECT is a generated project. Prints Markdown. --wrong writes every wrong merge of either to a folder, to be looked at.
"""

import argparse
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import oracle
from cases import Case
from corpus import corpus
from merging import Result, by_git, by_merge_file, by_mergiraf, name_of, spent

from evergreen.syntax import doubt

TIMED = 200
VERDICTS = (oracle.EXACT, oracle.ORDER, oracle.LAYOUT, oracle.COMMENT, oracle.CONFLICT, oracle.RIGHT_CONFLICT, oracle.WRONG)
ENGINES = ("git", "mergiraf", "--syntax-aware")


def main() -> None:
    """Merge, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--exchanged", action="store_true", help="exchange the sides of the other half of the merges")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--wrong", type=Path)
    chosen = parser.parse_args()
    program = shutil.which("mergiraf") or sys.exit("mergiraf is not on PATH: cargo install --locked mergiraf")
    with ProcessPoolExecutor(chosen.jobs) as workers:
        cases = corpus(chosen.project, chosen.seed, chosen.exchanged, workers)
        print(f"{len(cases)} cases ...", file=sys.stderr)
        merged = workers.map(measured, repeat(program), cases, by_git(cases), chunksize=20)
        verdicts: Counter[tuple[str, str, str, str]] = Counter()
        for number, (case, found) in enumerate(zip(cases, merged, strict=True)):
            for engine, (result, verdict) in found.items():
                verdicts[engine, case.language, case.kind, verdict] += 1
                if chosen.wrong and verdict in {oracle.WRONG, oracle.COMMENT}:
                    name = f"{verdict}-{engine}-{case.language}-{case.kind}-{number}"
                    keep(chosen.wrong / name.replace(" ", "_"), case, result)
    print(f"{len(cases)} merges, seed {chosen.seed}\n")
    table(verdicts, ["language", "engine"], lambda key: (key[1], key[0]))
    table(verdicts, ["kind", "engine"], lambda key: (f"{key[1]}: {key[2]}", key[0]))
    times(program, cases)


def measured(program: str, case: Case, lines: Result) -> dict[str, tuple[Result, str]]:
    """Judge one case's merges by each engine."""
    syntax = by_mergiraf(program, case) or Result("", conflict=True)
    doubtful = syntax.conflict or doubt(name_of(case), case.base, case.ours, case.theirs, syntax.text)
    careful = lines if not lines.conflict or doubtful else syntax
    results = zip(ENGINES, (lines, syntax, careful), strict=True)
    return {engine: (result, oracle.judge(case, result.text, result.conflict)) for engine, result in results}


def table(verdicts: "Counter[tuple[str, str, str, str]]", heads: list[str], row: object) -> None:
    """Print the verdicts by rows."""
    print("| " + " | ".join([*heads, *VERDICTS]) + " |\n" + "|---" * (len(heads) + len(VERDICTS)) + "|")
    rows: dict[tuple[str, ...], Counter[str]] = {}
    for key, count in verdicts.items():
        rows.setdefault(row(key), Counter())[key[3]] += count  # type: ignore[operator]
    for name in sorted(rows, key=lambda name: (name[0], ENGINES.index(name[1]))):
        print("| " + " | ".join([*name, *(str(rows[name][verdict] or "") for verdict in VERDICTS)]) + " |")
    print()


def times(program: str, cases: list[Case]) -> None:
    """Print what one merge costs, on cases spread over the corpus."""
    sample = cases[:: max(1, len(cases) // TIMED)]
    for name, merge in (("git merge-file", by_merge_file), ("mergiraf", lambda case: by_mergiraf(program, case))):
        start, clock = spent(), time.perf_counter()
        for case in sample:
            merge(case)
        print(f"{name}: {(spent() - start) / len(sample) * 1000:.1f} ms of processor time a merge, "
              f"{(time.perf_counter() - clock) / len(sample) * 1000:.1f} ms elapsed")  # fmt: skip


def keep(folder: Path, case: Case, result: Result) -> None:
    """Write one merge to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"base": case.base, "ours": case.ours, "theirs": case.theirs, "merged": result.text}
    for name, text in (texts | {f"right{number}": text for number, text in enumerate(case.right)}).items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
