"""The cases: every Python, TypeScript, YAML, TOML and JSON file of a project, and two of repeated blocks."""

import random
import zlib
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import blocks
import edits_of_data
import edits_of_python
import edits_of_typescript
from cases import Case
from oracle import parses

LANGUAGES = {".py": "python", ".ts": "typescript", ".yml": "yaml", ".yaml": "yaml", ".toml": "toml", ".json": "json"}
LEFT_OUT = {"node_modules", ".venv", ".git"}


def files(project: Path) -> Iterator[tuple[str, str, str]]:
    """Yield name, language and text of a project's files."""
    for path in sorted(project.rglob("*")):
        if path.suffix in LANGUAGES and not LEFT_OUT & set(path.parts) and path.is_file():
            yield path.relative_to(project).as_posix(), LANGUAGES[path.suffix], path.read_text(encoding="utf-8")
    for number, text in enumerate(blocks.files()):
        yield f"blocks-{number}.yml", "yaml", text


def sensible(case: Case) -> bool:
    """Tell whether both sides change something, and whether all that is right can be parsed: an edit may hit an odd place."""
    different = case.ours != case.theirs and case.base not in {case.ours, case.theirs}
    return different and all(parses(case.language, text) for text in (case.ours, case.theirs, *case.right))


def of_file(name: str, language: str, text: str, seed: int) -> list[Case]:
    """Return the cases of one file; the same seed gives the same ones."""
    chance = random.Random(seed + zlib.crc32(name.encode()))  # noqa: S311 - no secret
    if language == "python":
        found = edits_of_python.cases(text, chance)
    elif language == "typescript":
        found = edits_of_typescript.cases(text, chance)
    else:
        found = edits_of_data.cases(text, language, chance)
    return [case for case in dict.fromkeys(found) if sensible(case)]


def corpus(project: Path, seed: int, exchanged: int, workers: Executor) -> list[Case]:
    """Return all cases. Every second one has its sides exchanged: the odd ones, or the even ones."""
    jobs = [workers.submit(of_file, name, language, text, seed) for name, language, text in files(project)]
    found = [*blocks.cases(), *(case for job in jobs for case in job.result())]
    return [case.swapped() if number % 2 != exchanged else case for number, case in enumerate(found)]
