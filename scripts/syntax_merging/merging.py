"""Merges many cases by git, as the command `evergreen` does it, and by mergiraf."""

import io
import os
import resource
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cases import Case

from evergreen.git import Git
from evergreen.trees import commit

ENDINGS = {"python": "py", "typescript": "ts", "yaml": "yml", "toml": "toml", "json": "json"}
CONFLICTING = 1


@dataclass(frozen=True)
class Result:
    """What a merge came to."""

    text: str
    conflict: bool


def name_of(case: Case) -> str:
    """Return the name under which mergiraf sees a case: it has rules of their own for some names."""
    return "pyproject.toml" if case.language == "toml" else f"file.{ENDINGS[case.language]}"


def by_git(cases: Sequence[Case]) -> list[Result]:
    """Merge all cases at once, each a file of its own."""
    paths = [f"{number:05}/{name_of(case)}" for number, case in enumerate(cases)]
    with tempfile.TemporaryDirectory(prefix="evergreen-") as folder:
        git = Git(Path(folder))
        git.run("init", "--quiet")
        trees = []
        for side in ("base", "ours", "theirs"):
            for path, case in zip(paths, cases, strict=True):
                (Path(folder) / path).parent.mkdir(exist_ok=True)
                (Path(folder) / path).write_text(getattr(case, side), encoding="utf-8")
            git.run("add", "--all")
            trees.append(git.text("write-tree"))
        base = commit(git, trees[0], "base")
        ours, theirs = (commit(git, tree, side, base) for tree, side in zip(trees[1:], ("ours", "theirs"), strict=True))
        said = git.start("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs)
        tree, *conflicts = said.stdout.decode().split("\0")
        with tarfile.open(fileobj=io.BytesIO(git.run("archive", tree))) as archive:
            texts = {entry.name: _read(archive, entry) for entry in archive if entry.isfile()}
    left = set(conflicts)
    return [Result(texts[path], path in left) for path in paths]


def _read(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    file = archive.extractfile(entry)
    return file.read().decode() if file else ""


def by_mergiraf(program: str, case: Case, name: str | None = None) -> Result | None:
    """Merge one case; nothing if mergiraf failed."""
    with tempfile.TemporaryDirectory(prefix="evergreen-") as folder:
        files = [Path(folder) / part for part in ("base", "ours", "theirs")]
        for file, text in zip(files, (case.base, case.ours, case.theirs), strict=True):
            file.write_text(text, encoding="utf-8")
        result = subprocess.run(
            [program, "merge", "--path-name", name or name_of(case), *map(str, files)],
            cwd=folder,
            env=os.environ | {"XDG_DATA_HOME": folder},
            capture_output=True,
            check=False,
        )
    if result.returncode not in {0, CONFLICTING}:
        return None
    return Result(result.stdout.decode(), bool(result.returncode))


def by_merge_file(case: Case) -> None:
    """Merge one case by a git of its own, to compare times."""
    with tempfile.TemporaryDirectory(prefix="evergreen-") as folder:
        files = [Path(folder) / part for part in ("ours", "base", "theirs")]
        for file, text in zip(files, (case.ours, case.base, case.theirs), strict=True):
            file.write_text(text, encoding="utf-8")
        subprocess.run(["git", "merge-file", "-p", *map(str, files)], capture_output=True, check=False)


def spent() -> float:
    """Return the seconds of processor time that children have used so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
