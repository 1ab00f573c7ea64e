"""The project's git repository, as migrations use it."""

import os
import shutil
import subprocess
from pathlib import Path


def git(project: Path, *arguments: str, text: str | None = None) -> str:
    """Run git in the project and return what it printed, without the last line's end.

    Raises:
        subprocess.CalledProcessError: git refused.
    """
    command = ["git", "-c", "core.quotePath=false", *arguments]
    return subprocess.run(command, cwd=project, input=text, check=True, capture_output=True, text=True).stdout.rstrip("\n")


def private_folder(project: Path) -> Path:
    """Return a folder of ours that git does not track, shared by all worktrees.

    EVERGREEN_PRIVATE names another: the companion works in a checkout that goes away.
    """
    named = os.environ.get("EVERGREEN_PRIVATE")
    if named:
        return Path(named)
    return (project / git(project, "rev-parse", "--git-common-dir") / "evergreen").resolve()


def stage(project: Path, *paths: str) -> None:
    """Tell git's index about files that were written or deleted: an update merges what the index holds."""
    git(project, "add", "--all", "--force", "--", *paths)


def take_away(project: Path, path: str) -> None:
    """Remove a file from the folder and from the index."""
    git(project, "rm", "--quiet", "--force", "--ignore-unmatch", "--", path)
    (project / path).unlink(missing_ok=True)


def keep(project: Path, path: str, version: str, content: bytes) -> Path:
    """Keep a team's file where no update reaches it, and return where that is."""
    kept = private_folder(project) / "kept" / version / path
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(content)
    return kept


def store(project: Path, content: bytes) -> str:
    """Write content into git's object database and return its id."""
    command = ["git", "hash-object", "-w", "--stdin"]
    return subprocess.run(command, cwd=project, input=content, check=True, capture_output=True).stdout.decode().strip()


def forget(folder: Path) -> None:
    """Remove a folder, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)
