"""Replays the merge commits of repositories: what git leaves in conflict, what mergiraf makes of it, what people committed.

    python scripts/syntax_merging/history.py MERGES REPOSITORY...      clones; nothing in them changes

Prints one JSON object for each file in conflict, on which `summary.py` counts.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

LANGUAGES = {".py": "python", ".ts": "typescript", ".tsx": "typescript", ".yml": "yaml", ".yaml": "yaml", ".toml": "toml",
             ".json": "json"}  # fmt: skip
SHARE = 0.5


class History:
    """A repository that is read; what merging writes goes to a folder of its own."""

    def __init__(self, repository: str, objects: str) -> None:
        self.repository = repository
        own = subprocess.run(["git", "-C", repository, "rev-parse", "--path-format=absolute", "--git-path", "objects"],
                             check=True, capture_output=True, text=True).stdout.strip()  # fmt: skip
        self.environment = os.environ | {"GIT_OBJECT_DIRECTORY": objects, "GIT_ALTERNATE_OBJECT_DIRECTORIES": own, "LC_ALL": "C"}

    def git(self, *arguments: str) -> bytes:
        """Run git and return what it printed, whatever its status."""
        command = ["git", "-C", self.repository, "-c", "merge.conflictStyle=zdiff3", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, check=False).stdout

    def merges(self, most: int) -> Iterator[tuple[str, str, str]]:
        """Yield the newest merge commits of two parents, with them."""
        listed = self.git("log", "--all", "--min-parents=2", "--max-parents=2", f"--max-count={most}", "--format=%H %P").decode()
        for line in listed.splitlines():
            commit, ours, theirs = line.split()
            yield commit, ours, theirs

    def conflicts(self, ours: str, theirs: str) -> Iterator[tuple[str, list[str]]]:
        """Yield the files whose lines both sides changed, with the three blobs: base, ours, theirs."""
        said = self.git("merge-tree", "--write-tree", "-z", "--no-messages", ours, theirs).decode(errors="surrogateescape")
        found: dict[str, dict[str, str]] = {}
        for line in said.split("\0")[1:]:
            about, _, path = line.partition("\t")
            if path:
                _, blob, stage = about.split(" ")
                found.setdefault(path, {})[stage] = blob
        for path, stages in found.items():
            if set(stages) == {"1", "2", "3"} and Path(path).suffix in LANGUAGES:
                yield path, [stages[stage] for stage in "123"]

    def text(self, name: str) -> str | None:
        """Return a blob as text, or nothing if it is none or is not there."""
        try:
            content = self.git("cat-file", "blob", name).decode()
        except UnicodeDecodeError:
            return None
        return content or None


def replay(repository: str, most: int) -> Iterator[dict[str, str]]:
    """Yield every file in conflict that people resolved, and one line about the count of merges."""
    with tempfile.TemporaryDirectory(prefix="evergreen-") as objects:
        history = History(repository, objects)
        for commit, ours, theirs in history.merges(most):
            found = {"repository": Path(repository).resolve().parent.name, "commit": commit}
            yield found
            for path, blobs in history.conflicts(ours, theirs):
                base, left, right = (history.text(blob) for blob in blobs)
                human = history.text(f"{commit}:{path}")
                if base and left and right and human:
                    yield found | {"path": path, "language": LANGUAGES[Path(path).suffix], "base": base, "ours": left,
                                   "theirs": right, "human": human}  # fmt: skip


if __name__ == "__main__":
    for repository in sys.argv[2:]:
        for item in replay(repository, int(sys.argv[1])):
            print(json.dumps(item), flush=True)
