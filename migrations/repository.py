"""The project's git repository, as migrations use it."""

import os
import shutil
import subprocess
from pathlib import Path

KEPT = ".evergreen"
KEEPS_IN = "EVERGREEN_KEEPS_IN"
IGNORE = "# What updates kept aside. Take what you need, and delete the rest when you like.\n*\n"


def git(project: Path, *arguments: str, text: str | None = None) -> str:
    """Run git in the project and return what it printed, without the last line's end.

    Raises:
        subprocess.CalledProcessError: git refused.
    """
    command = ["git", "-c", "core.quotePath=false", *arguments]
    return subprocess.run(command, cwd=project, input=text, check=True, capture_output=True, text=True).stdout.rstrip("\n")


def private_folder(project: Path) -> Path:
    """Return a folder of ours in the project's git folder, of a linked worktree in its own."""
    return Path(git(project, "rev-parse", "--absolute-git-dir")) / "evergreen"


def stage(project: Path, *paths: str) -> None:
    """Tell git's index about files that were written or deleted: an update merges what the index holds."""
    git(project, "add", "--all", "--force", "--", *paths)


def take_away(project: Path, path: str) -> None:
    """Remove a file from the folder and from the index."""
    git(project, "rm", "--quiet", "--force", "--ignore-unmatch", "--", path)
    (project / path).unlink(missing_ok=True)


def keep(project: Path, path: str, version: str, content: bytes) -> str:
    """Keep a team's file aside, and return where, relative to the project.

    Every update keeps what it cannot place in `.evergreen/<the version updated to>/yours/`, a folder that ignores itself. What an
    earlier update has kept there stays. Copier's environment names the version that the update goes to; the companion, which
    runs migrations in a checkout of its own, names its folder.
    """
    name = os.environ.get(KEEPS_IN) or os.environ.get("VERSION_PEP440_TO") or version
    folder = project / KEPT
    for number in range(1, 1000):
        kept = folder / (name if number == 1 else f"{name}-{number}") / "yours" / path
        if not kept.exists() and not any(parent.is_file() for parent in kept.parents):
            break
        if kept.is_file() and kept.read_bytes() == content:
            break
    kept.parent.mkdir(parents=True, exist_ok=True)
    if not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text(IGNORE, encoding="utf-8")
    kept.write_bytes(content)
    return kept.relative_to(project).as_posix()


def store(project: Path, content: bytes) -> str:
    """Write content into git's object database and return its id."""
    command = ["git", "hash-object", "-w", "--stdin"]
    return subprocess.run(command, cwd=project, input=content, check=True, capture_output=True).stdout.decode().strip()


def forget(folder: Path) -> None:
    """Remove a folder, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)
