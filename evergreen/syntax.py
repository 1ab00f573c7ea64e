"""Merges by syntax what git leaves in conflict, with mergiraf, for `--syntax-aware`.

A merge of git's without conflict is never touched. What mergiraf makes of a file is taken only if nothing speaks against it (see
`doubt`): it merges wrongly now and then, and what is merged wrongly without a word is an edit lost. The figures are in
docs/explanation/syntax-aware-merging.md.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from evergreen.errors import RefusedError
from evergreen.git import Git
from evergreen.merging import Merge, Stage
from evergreen.trees import Entry, changed_tree

PROGRAM = "mergiraf"
ENDINGS = frozenset({".py", ".ts", ".tsx", ".yml", ".yaml", ".toml", ".json"})
SECONDS = 60
"""After which mergiraf is given up; of its own it stops after ten."""
BASE, YOURS, NEW = 1, 2, 3
WORD = re.compile(r"\w+|[^\w\s,]")
"""Commas come and go with the layout."""


def require_program() -> None:
    """Refuse when mergiraf is not there."""
    if shutil.which(PROGRAM) is None:
        raise RefusedError(
            f"--syntax-aware needs {PROGRAM}, which is not installed, or not on PATH. Install it (cargo install --locked "
            f"{PROGRAM}, or your system's package), or leave --syntax-aware out."
        )


def settle(git: Git, merged: Merge) -> None:
    """Replace what git left in conflict by what mergiraf makes of it, where nothing speaks against that."""
    by_path: dict[str, dict[int, Stage]] = {}
    for stage in merged.stages:
        by_path.setdefault(stage.path, {})[stage.number] = stage
    changes: dict[str, Entry | None] = {}
    for path, stages in by_path.items():
        if (
            set(stages) != {BASE, YOURS, NEW}
            or Path(path).suffix not in ENDINGS
            or len({part.entry.mode for part in stages.values()}) > 1
        ):
            continue
        sides = [git.run("cat-file", "blob", stages[number].entry.blob) for number in (BASE, YOURS, NEW)]
        result = merge(path, *sides)
        if result is not None:
            blob = git.text("hash-object", "-w", "--stdin", "--no-filters", given=result)
            changes[path] = Entry(stages[YOURS].entry.mode, blob)
    merged.tree = changed_tree(git, merged.tree, changes)
    merged.stages = [stage for stage in merged.stages if stage.path not in changes]
    merged.by_syntax = sorted(changes)


def merge(path: str, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """Return mergiraf's merge of a file; nothing if it has a conflict, fails, or is in doubt."""
    if b"\r" in base + ours + theirs:
        return None  # mergiraf would make the line endings of a file all alike
    with tempfile.TemporaryDirectory(prefix="evergreen-") as folder:
        names = [Path(folder) / name for name in ("base", "yours", "new")]
        for name, content in zip(names, (base, ours, theirs), strict=True):
            name.write_bytes(content)
        command = [PROGRAM, "merge", "--path-name", Path(path).name, *map(str, names)]
        # It keeps what it has merged, for a review, in the user's home; a preview leaves nothing anywhere.
        environment = os.environ | {"XDG_DATA_HOME": folder}
        try:
            result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            return None
    if result.returncode or doubt(path, *(content.decode(errors="replace") for content in (base, ours, theirs, result.stdout))):
        return None
    return result.stdout


def doubt(path: str, base: str, ours: str, theirs: str, merged: str) -> str | None:
    """Return what speaks against a merge, or nothing.

    A word (a name, a number, a sign) is there as often as the edits of both sides make it; where both added or removed it, their
    edits may be one and the same. And what can be parsed on both sides, can be parsed merged.
    """
    before, one, other, after = (Counter(WORD.findall(text)) for text in (base, ours, theirs, merged))
    for word in before.keys() | one.keys() | other.keys() | after.keys():
        mine, yours = one[word] - before[word], other[word] - before[word]
        total, most = mine + yours, max((mine, yours), key=abs)
        allowed = {total, most} if mine * yours > 0 else {total}
        if not min(allowed) <= after[word] - before[word] <= max(allowed):
            return f"{word!r} is there {after[word]} times, after {before[word]}, {one[word]} and {other[word]}"
    return unreadable(path, merged) if not unreadable(path, ours) and not unreadable(path, theirs) else None


def unreadable(path: str, text: str) -> str | None:
    """Return why a text cannot be read as what its name says, or nothing. A key that is given twice is an error."""
    try:
        match Path(path).suffix:
            case ".json":
                json.loads(text, object_pairs_hook=_once)
            case ".toml":
                tomllib.loads(text)
            case ".yml" | ".yaml":
                for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
                    _keys_once(document)
            case ".py":
                with warnings.catch_warnings(action="ignore"):
                    compile(text, path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, yaml.YAMLError) as error:
        return str(error)
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _keys_once(node: Any) -> None:
    if isinstance(node, yaml.MappingNode):
        _once([(str(key.value), value) for key, value in node.value if isinstance(key, yaml.ScalarNode)])
        for _, value in node.value:
            _keys_once(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _keys_once(item)
