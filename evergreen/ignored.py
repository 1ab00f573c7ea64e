"""Files that the template renders and the project's ignore rules hide from git, so that no merge can look after them.

They are not written where something of the team's is: what is on disk stays, unless it is exactly what the old rendering had.
"""

from dataclasses import dataclass, field
from pathlib import Path

from evergreen.git import Git, zero_terminated
from evergreen.trees import Entry


@dataclass
class Ignored:
    """What an update does about ignored files, by path in the repository."""

    hidden: set[str] = field(default_factory=set)
    """Every rendered path that is ignored; they are left out of the merge."""
    written: dict[str, Entry] = field(default_factory=dict)
    """New, or as the old rendering had them: the new rendering's take their place."""
    unlike: dict[str, Entry] = field(default_factory=dict)
    """The team's stays on disk; the new rendering's is put beside."""


def ignored_paths(git: Git, paths: set[str]) -> set[str]:
    """Return which of some paths the project's rules ignore, were they not tracked."""
    if not paths:
        return set()
    result = git.start("check-ignore", "-z", "--stdin", "--no-index", given=zero_terminated(sorted(paths)))
    return {path.decode(errors="surrogateescape") for path in result.stdout.split(b"\0") if path}


def compare(git: Git, top: Path, team: set[str], old: dict[str, Entry], new: dict[str, Entry]) -> Ignored:
    """Find out what is to be done about rendered files that the team does not track because they are ignored."""
    found = Ignored(ignored_paths(git, (old.keys() | new.keys()) - team))
    for path in sorted(found.hidden & new.keys()):
        if new[path] == old.get(path):
            continue
        on_disk = content_of(git, top, path)
        if on_disk == new[path].blob:
            continue
        if (on_disk is None and path not in old) or (on_disk is not None and path in old and on_disk == old[path].blob):
            found.written[path] = new[path]
        elif on_disk is not None:
            found.unlike[path] = new[path]
    return found


def content_of(git: Git, top: Path, path: str) -> str | None:
    """Return the id that git would give a file on disk; nothing when nothing is there; another text when it is no file."""
    target = top / path
    if any((top / parent).is_symlink() or (top / parent).is_file() for parent in Path(path).parents if str(parent) != "."):
        return "in the way"
    if not target.exists() and not target.is_symlink():
        return None
    if target.is_symlink() or not target.is_file():
        return "in the way"
    return git.text("hash-object", f"--path={path}", "--", str(target))
