"""Three-way merges of single files, by git."""

import difflib
import subprocess
import tempfile
from pathlib import Path

#: As Copier names the sides.
LABELS = ("before updating", "last update", "after updating")


def merge(team: bytes, base: bytes, new: bytes) -> tuple[bytes, bool]:
    """Merge what a team and a release did to the same file.

    Returns:
        The merged text, and whether it holds conflict markers.
    """
    with tempfile.TemporaryDirectory(prefix="evergreen-merge-") as folder:
        names = [Path(folder) / label.replace(" ", "-") for label in LABELS]
        for name, content in zip(names, (team, base, new), strict=True):
            name.write_bytes(content)
        labels = [part for label in LABELS for part in ("-L", label)]
        result = subprocess.run(["git", "merge-file", "-p", *labels, *map(str, names)], capture_output=True, check=False)
    if result.returncode >= 128:  # binary: there is nothing to merge by lines
        return team, True
    return result.stdout, result.returncode != 0


def distribute(team: bytes, base: bytes, parts: dict[str, bytes]) -> tuple[dict[str, bytes], bytes]:
    """Carry a team's edits of one file over to the several files that a release split it into, edit by edit.

    Args:
        team: the team's version of the file.
        base: the version that the team had started from.
        parts: the new files by path, as the release renders them.

    Returns:
        The new files with the edits that fit, in each that they fit; and, as a unified diff, the edits that fit in none.
    """
    merged = dict(parts)
    before, after = base.splitlines(keepends=True), team.splitlines(keepends=True)
    left: list[bytes] = []
    for tag, start, end, first, last in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        edited = b"".join([*before[:start], *after[first:last], *before[end:]])
        tried = {path: merge(part, base, edited) for path, part in merged.items()}
        fitting = {path: text for path, (text, conflict) in tried.items() if not conflict}
        merged |= fitting
        if not fitting:
            left += difflib.diff_bytes(
                difflib.unified_diff, before, edited.splitlines(keepends=True), b"before", b"edited", lineterm=b"\n"
            )
    return merged, b"".join(left)
