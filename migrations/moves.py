"""Files that a release moves, splits or removes keep what a team did to them.

Copier compares trees by path: it takes a renamed file for one that is gone and one that is new, and the team's edits go with the
old. So an edited file is put aside before the update, and merged into its new place after it, against the text that the team had
started from. What is put aside lies in git's own folder: nothing of it can be committed, or get lost by a `git clean`.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from migrations.base import render_base
from migrations.merging import distribute, merge
from migrations.model import Migration
from migrations.repository import forget, git, keep, private_folder, store, take_away


@dataclass
class Aside:
    """One file that was put aside; its text by the team, unless they had deleted it, and by the template lie next to the list."""

    path: str
    version: str
    #: Where the release has it now; empty if it removes it.
    targets: list[str]
    edited: bool = True
    #: Targets that were there before, as a file of the team's own.
    taken: list[str] = field(default_factory=list)


class Shelf:
    """What is put aside between the two stages of an update."""

    def __init__(self, project: Path) -> None:
        self.folder = private_folder(project) / "migrating"
        self.head = git(project, "rev-parse", "HEAD")
        self.items: list[Aside] = []
        if self._list.is_file():
            stored = json.loads(self._list.read_text(encoding="utf-8"))
            if stored["head"] == self.head:  # otherwise left by an update that was given up
                self.items = [Aside(**item) for item in stored["items"]]

    @property
    def _list(self) -> Path:
        return self.folder / "list.json"

    def put(self, item: Aside, team: bytes | None, base: bytes) -> None:
        """Put a file aside."""
        self.items.append(item)
        for kind, content in (("team", team), ("base", base)):
            if content is not None:
                self._file(item, kind).parent.mkdir(parents=True, exist_ok=True)
                self._file(item, kind).write_bytes(content)

    def team(self, item: Aside) -> bytes:
        """Return a file's text as the team had it."""
        return self._file(item, "team").read_bytes()

    def base(self, item: Aside) -> bytes:
        """Return a file's text as the team had got it from the template."""
        return self._file(item, "base").read_bytes()

    def _file(self, item: Aside, kind: str) -> Path:
        return self.folder / kind / item.path

    def save(self) -> None:
        """Write the list, or remove the folder when nothing is left in it."""
        if not self.items:
            forget(self.folder)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        stored = {"head": self.head, "items": [asdict(item) for item in self.items]}
        self._list.write_text(json.dumps(stored, indent=2), encoding="utf-8")


def put_aside(project: Path, migration: Migration, version: str) -> None:
    """Before the update: take edited files that the release moves or removes out of its way."""
    shelf = Shelf(project)
    _follow(shelf, migration, version)
    wanted = [*migration.moved, *migration.removed]
    if wanted:
        with tempfile.TemporaryDirectory(prefix="evergreen-base-") as folder:
            base = render_base(project, Path(folder) / "base", wanted)
            for path, original in _files(base):
                targets = list(migration.targets(path))
                if (targets or migration.removes(path)) and all(item.path != path for item in shelf.items):
                    _put_one(project, shelf, Aside(path, version, targets), original)
    shelf.save()


def _put_one(project: Path, shelf: Shelf, item: Aside, original: bytes) -> None:
    team = _text(project / item.path)
    if team == original or (team is None and not item.targets):
        return
    item.edited = team is not None
    item.taken = [target for target in item.targets if (project / target).exists()]
    shelf.put(item, team, original)
    take_away(project, item.path)


def _files(folder: Path) -> list[tuple[str, bytes]]:
    return [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()]


def _follow(shelf: Shelf, migration: Migration, version: str) -> None:
    """Carry what an earlier release of the same update moved on to where this one moves it."""
    for item in shelf.items:
        moved = [target for old in item.targets for target in migration.targets(old) or (old,) if not migration.removes(target)]
        if item.version != version and moved != item.targets:
            item.targets, item.version = moved, version


def _text(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def put_back(project: Path, version: str) -> list[str]:
    """After the update: merge what was put aside for this release into its new places.

    Returns:
        What the team should know, a line each.
    """
    shelf = Shelf(project)
    mine = [item for item in shelf.items if item.version == version]
    notes = [note for item in mine for note in _settle(project, shelf, item)]
    shelf.items = [item for item in shelf.items if item.version != version]
    shelf.save()
    return notes


def _settle(project: Path, shelf: Shelf, item: Aside) -> Iterator[str]:
    news = {target: text for target in item.targets if (text := _text(project / target)) is not None}
    places = " and ".join(news)
    if not item.edited:
        for target in news:
            take_away(project, target)
        yield f"{item.path} had been deleted or moved by you; the template has it as {places} now, and it was left out."
    elif not news or item.taken:
        why = f"{', '.join(item.taken)} was a file of yours already" if item.taken else "the release removes it"
        kept = keep(project, item.path, item.version, shelf.team(item))
        yield (
            f"{item.path}, which you had edited, is gone: {why}. Your version is in {kept}, "
            f"and 'git show {shelf.head[:12]}:./{item.path}' prints it."
        )
    elif len(news) == 1:
        ((target, new),) = news.items()
        merged, conflict = merge(shelf.team(item), shelf.base(item), new)
        (project / target).write_bytes(merged)
        if conflict:
            _mark_conflict(project, target, shelf.base(item), shelf.team(item), new)
        yield f"{item.path} is {target} now; your edits moved with it{', with conflicts to resolve' if conflict else ''}."
    else:
        parts, left = distribute(shelf.team(item), shelf.base(item), news)
        for target, text in parts.items():
            (project / target).write_bytes(text)
        yield f"{item.path} was split into {places}; your edits went where they fit."
        if left:
            keep(project, item.path, item.version, shelf.team(item))
            kept = keep(project, f"{item.path}.diff", item.version, left)
            yield f"Edits of {item.path} that fit in neither part are in {kept}: apply them by hand."


def _mark_conflict(project: Path, path: str, base: bytes, team: bytes, new: bytes) -> None:
    """Record the three sides in git's index, so that `git status` and `git diff` show a conflict."""
    prefix = git(project, "rev-parse", "--show-prefix")
    sides = [f"100644 {store(project, content)} {number}\t{prefix}{path}" for number, content in ((1, base), (2, team), (3, new))]
    lines = [f"0 {'0' * 40}\t{prefix}{path}", *sides]
    git(project, "update-index", "--index-info", text="\n".join(lines) + "\n")
