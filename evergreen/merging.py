"""Merges two renderings of the template into the team's tree, by git's own three-way merge.

The old rendering is made the common ancestor of the team's tree and of the new rendering: a commit each, without a branch. git
follows files that either side has renamed. Where it would leave a conflict that needs no decision, a rule of ours settles it:

- a file that the template no longer has and that the team has edited goes, and is kept aside;
- a file that the team has deleted stays deleted;
- a file that the team has moved stays where it is, even if the template no longer has it;
- a binary that both have changed stays the team's, and the template's is put beside.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from evergreen.errors import GitError
from evergreen.git import Git
from evergreen.trees import Entry, changed_tree, commit, entries

YOURS = "yours"
SUBMODULE = "160000"


@dataclass(frozen=True)
class Stage:
    """One side of a file in conflict, as the index holds it: 1 the old rendering, 2 the team's, 3 the new rendering."""

    number: int
    entry: Entry
    path: str


@dataclass
class Merge:
    """What a merge came to. Paths are those of the repository."""

    tree: str
    stages: list[Stage] = field(default_factory=list)
    removed: dict[str, Entry] = field(default_factory=dict)
    """Files that the team had edited and the template no longer has, with the team's content."""
    stays_deleted: list[str] = field(default_factory=list)
    stays_moved: list[str] = field(default_factory=list)
    aside: dict[str, bytes] = field(default_factory=dict)
    """What migrations kept aside besides."""
    binaries: dict[str, Entry] = field(default_factory=dict)
    """Binaries that both had changed, with the template's content."""
    by_syntax: list[str] = field(default_factory=list)
    """Files that git left in conflict and that were merged by their syntax."""
    relocated: list[str] = field(default_factory=list)
    """What git says of files that it put into a folder that the other side has moved."""

    @property
    def conflicts(self) -> list[str]:
        """The files that the team has to decide about."""
        return sorted({stage.path for stage in self.stages})


@dataclass(frozen=True)
class Sides:
    """The three trees of a merge, and the names of the two renderings for the conflict markers."""

    old: str
    ours: str
    new: str
    old_label: str
    new_label: str


def merge(git: Git, sides: Sides) -> Merge:
    """Merge the new rendering into the team's tree.

    Raises:
        GitError: git could not merge at all; conflicts are no error.
    """
    base = commit(git, sides.old, sides.old_label)
    ours = commit(git, sides.ours, YOURS, base)
    new = commit(git, sides.new, sides.new_label, base)
    settings = {"merge.conflictStyle": "zdiff3", "merge.renames": "true", "merge.directoryRenames": "true"}
    result = git.start("merge-tree", "--write-tree", "-z", "--messages", ours, new, settings=settings)
    if result.returncode not in {0, 1}:
        raise GitError(f"git could not merge the template's versions:\n{result.stderr.decode(errors='replace').strip()}")
    head, _, tail = result.stdout.decode(errors="surrogateescape").partition("\0\0")
    tree, *unmerged = head.rstrip("\0").split("\0")
    names = {base: sides.old_label, ours: YOURS, new: sides.new_label}
    merged = Merge(tree)
    settle(git, merged, [stage_of(line) for line in unmerged], sides, list(messages(tail)))
    move_back(git, merged, f"~{ours}")
    return rename_markers(git, merged, names)


def stage_of(line: str) -> Stage:
    """Parse `mode blob stage<TAB>path`."""
    about, path = line.split("\t", 1)
    mode, blob, number = about.split(" ")
    return Stage(int(number), Entry(mode, blob), path)


def messages(text: str) -> Iterator[tuple[str, list[str], str]]:
    """Parse what the merge has to say: the kind, the paths, the words."""
    fields = iter(text.split("\0"))
    for count in fields:
        if not count.strip().isdigit():
            continue
        paths = [next(fields) for _ in range(int(count))]
        yield next(fields), paths, next(fields).strip()


def settle(git: Git, merged: Merge, stages: list[Stage], sides: Sides, said: list[tuple[str, list[str], str]]) -> None:
    """Apply the rules to what git left in conflict; what no rule fits stays one."""
    by_path: dict[str, dict[int, Stage]] = defaultdict(dict)
    for stage in stages:
        by_path[stage.path][stage.number] = stage
    binary = {path for kind, paths, _ in said if kind == "CONFLICT (binary)" for path in paths}
    merged.relocated = sorted(
        text for kind, _, text in said if kind.startswith(("Directory rename", "Path updated")) or "Path updated" in text
    )
    in_old = entries(git, sides.old) if by_path else {}
    in_new = entries(git, sides.new) if by_path else {}
    changes: dict[str, Entry | None] = {}
    for path, numbered in by_path.items():
        kinds = set(numbered)
        if kinds == {1, 2} and path not in in_new and numbered[2].entry.mode == SUBMODULE:
            merged.stays_moved.append(path)  # the file made way for it
        elif kinds == {1, 2} and path in in_old and path not in in_new:
            merged.removed[path] = numbered[2].entry
            changes[path] = None
        elif kinds == {1, 2} and path not in in_new:
            merged.stays_moved.append(path)
        elif kinds == {1, 3} and path in in_new:
            merged.stays_deleted.append(path)
            changes[path] = None
        elif path in binary and {2, 3} <= kinds:
            merged.binaries[path] = numbered[3].entry
            changes[path] = numbered[2].entry
        else:
            merged.stages += numbered.values()
    merged.tree = changed_tree(git, merged.tree, changes)


def move_back(git: Git, merged: Merge, suffix: str) -> None:
    """Give the team's files, links and submodules their own name back if nothing is left that git moved them for."""
    moved = {stage.path: stage for stage in merged.stages if stage.number == 2 and stage.path.endswith(suffix)}
    alone = {path for path in moved if sum(stage.path == path for stage in merged.stages) == 1}
    taken = entries(git, merged.tree) if alone else {}
    changes: dict[str, Entry | None] = {}
    for path in alone:
        own = path.removesuffix(suffix)
        if not any(other == own or other.startswith(f"{own}/") for other in taken):
            changes |= {path: None, own: moved[path].entry}
    merged.stages = [stage for stage in merged.stages if stage.path not in changes]
    merged.tree = changed_tree(git, merged.tree, changes)


def rename_markers(git: Git, merged: Merge, names: dict[str, str]) -> Merge:
    """Put names that mean something where git could only put a commit's id: in conflict markers and in file names."""
    changes: dict[str, Entry | None] = {}
    conflicting = set(merged.conflicts)
    renamed = {path: file_name(path, names) for path in conflicting}
    for path, entry in entries(git, merged.tree).items() if conflicting else ():
        if path not in conflicting:
            continue
        content = git.run("cat-file", "blob", entry.blob) if entry.mode != SUBMODULE else b""
        relabelled = relabel(content, names)
        if relabelled != content or renamed[path] != path:
            blob = git.text("hash-object", "-w", "--stdin", "--no-filters", given=relabelled) if content else entry.blob
            changes |= {path: None} if renamed[path] != path else {}
            changes[renamed[path]] = Entry(entry.mode, blob)
    merged.tree = changed_tree(git, merged.tree, changes)
    merged.stages = [Stage(stage.number, stage.entry, renamed[stage.path]) for stage in merged.stages]
    merged.relocated = [named(text, names) for text in merged.relocated]
    return merged


def relabel(content: bytes, names: dict[str, str]) -> bytes:
    """Replace commits' ids in conflict markers by names. The ids are of this merge only, so no other line can match."""
    for identifier, name in names.items():
        # The ancestor's id is abbreviated; seven digits are git's least.
        marker = rb"^([<|>]{7,}) (?:%s|%s)(:[^\r\n]*)?(?=\r?$)" % (identifier.encode(), identifier[:7].encode() + rb"[0-9a-f]*")
        content = re.sub(marker, rb"\1 %s\2" % name.encode(), content, flags=re.MULTILINE)
    return content


def file_name(path: str, names: dict[str, str]) -> str:
    """Return the name of a file that git had to move out of a folder's way."""
    for identifier, name in names.items():
        path = path.replace(f"~{identifier}", "~" + name.replace(" ", "-"))
    return path


def named(text: str, names: dict[str, str]) -> str:
    """Return a message of git's with names for commits."""
    for identifier, name in names.items():
        text = text.replace(identifier, name)
    return text
