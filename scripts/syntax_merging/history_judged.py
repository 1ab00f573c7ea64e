"""Judges what mergiraf makes of the conflicts of real histories by what people committed.

    python scripts/syntax_merging/history_judged.py FILE... [--differing FOLDER]      FILE: the output of history.py

Prints Markdown. --differing writes every merge that differs from what people committed to a folder, to be looked at.
"""

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import oracle
from cases import Case
from merging import by_mergiraf

from evergreen.syntax import doubt

LEFT, SAME, ALIKE = "a conflict still", "the same bytes", "the same meaning"
OTHER_ORDER, INVENTED, DIFFERENT = "the same but for the order", "people wrote lines of their own", "different"
VERDICTS = (LEFT, SAME, ALIKE, OTHER_ORDER, INVENTED, DIFFERENT)


def items(files: list[Path]) -> Iterator[dict[str, Any]]:
    """Yield the files in conflict, each three-way merge once; and the merge commits."""
    seen = set()
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            if not line.endswith("}"):
                continue  # the recorder was ended in the middle of a line
            item = json.loads(line)
            key = (item.get("base"), item.get("ours"), item.get("theirs"))
            if "path" not in item or key not in seen:
                seen.add(key)
                yield item


def verdict(item: dict[str, Any], merged: str) -> str:
    """Compare a merge without conflict with what people made of it."""
    human, language = item["human"], item["language"]
    if merged == human:
        return SAME
    rank = oracle.same(language, merged, human)
    if rank is not None or oracle.squashed(merged) == oracle.squashed(human):
        return OTHER_ORDER if rank else ALIKE
    if oracle.lines(merged) == oracle.lines(human):
        return OTHER_ORDER
    known = set().union(*(oracle.lines(item[side]) for side in ("base", "ours", "theirs")))
    return INVENTED if set(oracle.lines(human)) - known else DIFFERENT


def spread(replayed: list[dict[str, Any]], each: int) -> list[dict[str, Any]]:
    """Return at most so many files of each repository."""
    by_repository: dict[str, list[dict[str, Any]]] = {}
    for item in replayed:
        by_repository.setdefault(item["repository"], []).append(item)
    return [found[number * len(found) // min(each, len(found))]
            for found in by_repository.values() for number in range(min(each, len(found)))]  # fmt: skip


def main() -> None:
    """Judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--each", type=int, default=100, help="files of a repository, spread over its history")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--differing", type=Path)
    chosen = parser.parse_args()
    program = shutil.which("mergiraf") or sys.exit("mergiraf is not on PATH: cargo install --locked mergiraf")
    merges: Counter[str] = Counter()
    verdicts: Counter[tuple[str, str, str]] = Counter()
    replayed = [item for item in items(chosen.files) if "path" in item or merges.update([item["repository"]])]
    replayed = spread(replayed, chosen.each)
    with ProcessPoolExecutor(chosen.jobs) as workers:
        judged = workers.map(measured, repeat(program), replayed, chunksize=10)
        for number, (item, found) in enumerate(zip(replayed, judged, strict=True)):
            for engine, (said, text) in found.items():
                verdicts[item["language"], engine, said] += 1
                if chosen.differing and said in {INVENTED, DIFFERENT}:
                    folder = chosen.differing / f"{engine}-{said}-{item['language']}-{number}".replace(" ", "_")
                    folder.mkdir(parents=True, exist_ok=True)
                    for name, content in (item | {"merged": text}).items():
                        (folder / name).write_text(content, encoding="utf-8")
    print(f"{sum(merges.values())} merge commits: {', '.join(f'{name} {count}' for name, count in merges.items())}\n")
    print("| language | engine | files in conflict | " + " | ".join(VERDICTS) + " |\n" + "|---" * (len(VERDICTS) + 3) + "|")
    for language, engine in sorted({key[:2] for key in verdicts}):
        counts = [verdicts[language, engine, found] for found in VERDICTS]
        print(f"| {language} | {engine} | {sum(counts)} | " + " | ".join(map(str, counts)) + " |")


def measured(program: str, item: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return verdict and text by engine: mergiraf alone, and what `--syntax-aware` takes of it."""
    case = Case("", item["language"], item["base"], item["ours"], item["theirs"], ())
    name = Path(item["path"]).name
    result = by_mergiraf(program, case, name)
    if result is None or result.conflict:
        return dict.fromkeys(("mergiraf", "--syntax-aware"), (LEFT, ""))
    found = verdict(item, result.text), result.text
    doubtful = doubt(name, case.base, case.ours, case.theirs, result.text)
    return {"mergiraf": found, "--syntax-aware": (LEFT, "") if doubtful else found}


if __name__ == "__main__":
    main()
