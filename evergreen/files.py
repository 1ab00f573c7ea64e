"""Puts files in place so that each is at any time either what it was or what it becomes."""

import contextlib
import errno
import os
import shutil
from pathlib import Path


def present(path: Path) -> bool:
    """Tell whether anything is at a path, a link to nowhere included."""
    return os.path.lexists(path)


def is_entry(path: Path) -> bool:
    """Tell whether a path is something that git tracks by itself: a file or a link. A folder may have the name of a file."""
    return path.is_symlink() or path.is_file()


def place(source: Path, target: Path) -> None:
    """Move a file to where it belongs, over what is there; across file systems by way of a copy beside the target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = target.with_name(f".{target.name}.evergreen")
        shutil.copy2(source, beside, follow_symlinks=False)
        beside.replace(target)
        source.unlink()


def save(path: Path, saved: Path) -> None:
    """Keep what is at a path under a second name, unless that was done before."""
    if is_entry(saved) or not is_entry(path):
        return
    saved.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, saved, follow_symlinks=False)
    except OSError:  # another file system, or one without hard links
        unfinished = saved.with_name(f"{saved.name}.evergreen-unfinished")
        shutil.copy2(path, unfinished, follow_symlinks=False)
        unfinished.replace(saved)


def prune(folder: Path, stop: Path) -> None:
    """Remove a folder and its parents as far as they are empty; some may be gone already."""
    with contextlib.suppress(OSError):
        while folder != stop:
            with contextlib.suppress(FileNotFoundError):
                folder.rmdir()
            folder = folder.parent
