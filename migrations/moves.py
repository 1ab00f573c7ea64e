"""Files that a release moves, splits or removes keep what a team did to them.

Copier compares trees by path: it takes a renamed file for one that is gone and one that is new, and the team's edits go with the
old. So an edited file is put aside before the update, and merged into its new place after it, against the text that the team had
started from.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from migrations.base import render_base
from migrations.merging import distribute, merge
from migrations.model import Migration
from migrations.repository import git, keep, store, take_away
from migrations.shelf import Aside, Shelf


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
