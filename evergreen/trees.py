"""Turns rendered folders into git trees that hold what `git add` of the team would have stored.

The team's own `.gitattributes`, line-ending settings and filters apply to both renderings. So a file that only differs in what
git normalises is the same file, and one that git leaves alone keeps its bytes.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from evergreen.git import IDENTITY, Git, zero_terminated

ATTRIBUTES = ".gitattributes"


@dataclass(frozen=True)
class Entry:
    """One file of a tree."""

    mode: str
    blob: str


@dataclass(frozen=True)
class Difference:
    """Two trees' entries of one path; nothing where the tree lacks it."""

    old: Entry | None
    new: Entry | None


def differences(git: Git, old: str, new: str) -> dict[str, Difference]:
    """Return the files in which two trees differ."""
    fields = iter(git.fields("diff-tree", "-r", "-z", "--no-renames", "--raw", "--no-abbrev", old, new))
    found = {}
    for about in fields:
        old_mode, new_mode, old_blob, new_blob, status = about.lstrip(":").split(" ")
        found[next(fields)] = Difference(
            None if status == "A" else Entry(old_mode, old_blob), None if status == "D" else Entry(new_mode, new_blob)
        )
    return found


@contextmanager
def temporary_index(git: Git) -> Iterator[Git]:
    """Give a git whose index is a new, empty one outside the project."""
    with tempfile.TemporaryDirectory(prefix="evergreen-") as folder:
        yield git.having(GIT_INDEX_FILE=Path(folder) / "index")


def entries(git: Git, tree: str) -> dict[str, Entry]:
    """Return every file of a tree by path."""
    found = {}
    for field in git.fields("ls-tree", "-r", "-z", "--full-tree", tree):
        about, path = field.split("\t", 1)
        mode, _, blob = about.split(" ")
        found[path] = Entry(mode, blob)
    return found


def changed_tree(git: Git, tree: str, changes: Mapping[str, Entry | None]) -> str:
    """Return a tree with some files replaced, or removed where there is no entry."""
    if not changes:
        return tree
    with temporary_index(git) as own:
        own.run("read-tree", tree)
        none = "0" * len(tree)  # a repository's ids have 40 digits, or 64
        # Removals first: a file may give way to a folder of the same name.
        for removing in (True, False):
            lines = [
                f"{entry.mode} {entry.blob}\t{path}" if entry else f"0 {none}\t{path}"
                for path, entry in changes.items()
                if (entry is None) == removing
            ]
            own.run("update-index", "-z", "--index-info", given=zero_terminated(lines))
        return own.text("write-tree")


def elsewhere(git: Git, folder: Path) -> Git:
    """Return the repository's git with another folder as its working tree."""
    there = git.having(GIT_DIR=git.text("rev-parse", "--absolute-git-dir"), GIT_WORK_TREE=folder)
    return replace(there, folder=folder)


def without_filters(git: Git) -> dict[str, str]:
    """Return settings that switch off every filter of the user's (Git LFS, encryption): an empty command is none."""
    named = git.start("config", "--name-only", "--get-regexp", r"^filter\.").stdout.decode().split("\n")
    drivers = {name.rpartition(".")[0] for name in named if name}
    return {f"{driver}.{key}": "" for driver in sorted(drivers) for key in ("clean", "smudge", "process")} | {
        f"{driver}.required": "false" for driver in sorted(drivers)
    }


def tree_of_checkout(git: Git, folder: Path, start: str) -> str:
    """Return the tree of a checkout without filters that was worked in since it held `start`; ignored files are left out."""
    with temporary_index(elsewhere(git, folder)) as own:
        own.run("read-tree", start)
        own.run("add", "--all", ".", settings=without_filters(git))
        return own.text("write-tree")


def tree_of(git: Git, folder: Path, attributes: dict[str, bytes]) -> str:
    """Store all files of a rendered folder, ignored or not, and return their tree.

    Args:
        git: the project's repository.
        folder: laid out as the repository's working tree.
        attributes: the team's attribute files by path; they decide how the files are stored.
    """
    with temporary_index(elsewhere(git, folder)) as own:
        rendered = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob(ATTRIBUTES)}
        with attributes_in(folder, attributes, rendered):
            own.run("add", "--all", "--force", ".")
            blobs = {name: own.text("hash-object", "-w", f"--path={name}", "--stdin", given=content)
                     for name, content in rendered.items() if rendered != attributes}  # fmt: skip
        tree = own.text("write-tree")
    if rendered == attributes:
        return tree
    restored: dict[str, Entry | None] = dict.fromkeys(attributes)
    return changed_tree(git, tree, restored | {name: Entry("100644", blob) for name, blob in blobs.items()})


@contextmanager
def attributes_in(folder: Path, wanted: dict[str, bytes], present: dict[str, bytes]) -> Iterator[None]:
    """Exchange a folder's attribute files for others while something is done."""
    if wanted == present:
        yield
        return
    write(folder, wanted, remove=present)
    try:
        yield
    finally:
        write(folder, present, remove=wanted)


def write(folder: Path, files: dict[str, bytes], remove: Iterable[str]) -> None:
    """Remove some files from a folder, then write others."""
    for name in remove:
        (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def attributes_of(git: Git, tree: str) -> dict[str, bytes]:
    """Return the attribute files of a tree by path."""
    found = entries(git, tree).items()
    return {path: git.run("cat-file", "blob", entry.blob) for path, entry in found if path.rsplit("/", 1)[-1] == ATTRIBUTES}


def commit(git: Git, tree: str, message: str, *parents: str) -> str:
    """Store a commit that is ours and return its id; no branch points to it."""
    options = [part for parent in parents for part in ("-p", parent)]
    return git.having(**IDENTITY).text("commit-tree", *options, "-m", message, tree)
