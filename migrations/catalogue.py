"""Finds the releases' modules: v1_2_0.py holds `MIGRATION`, that of 1.2.0."""

import re
import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from migrations.model import Migration, MigrationError

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Plan:
    """What the releases that an update crosses declare, taken together."""

    moved: dict[str, tuple[str, ...]]
    removed: tuple[str, ...]
    answers: dict[str, str]
    choices: dict[str, dict[Any, Any]]
    dropped: tuple[str, ...]
    seams: tuple[str, ...]


def versions(folder: Path = FOLDER) -> list[Version]:
    """Return the releases that have a module, oldest first."""
    names = [re.fullmatch(r"v(\d+)_(\d+)_(\d+)\.py", path.name) for path in folder.glob("v*.py")]
    return sorted(Version(".".join(match.groups())) for match in names if match)


def load(version: Version, folder: Path = FOLDER) -> Migration:
    """Return what a release's module declares.

    Raises:
        MigrationError: the release has no module, or the module has no `MIGRATION`.
    """
    path = folder / f"v{'_'.join(map(str, version.release))}.py"
    if not path.is_file():
        raise MigrationError(f"There is no migration {path.name}: the template's release {version} is registered without it.")
    migration = runpy.run_path(str(path)).get("MIGRATION")
    if not isinstance(migration, Migration):
        raise MigrationError(f"{path.name} defines no MIGRATION = Migration(...).")
    return migration


def crossed(start: Version, end: Version, folder: Path = FOLDER) -> list[Version]:
    """Return the releases with a module after `start`, up to and including `end`: Copier's own rule."""
    return [version for version in versions(folder) if start < version <= end]


def plan(migrations: list[Migration]) -> Plan:
    """Compose several releases' declarations, oldest first: a file moved twice goes to its last place."""
    moved: dict[str, tuple[str, ...]] = {}
    removed: list[str] = []
    answers: dict[str, str] = {}
    choices: dict[str, dict[Any, Any]] = {}
    for migration in migrations:
        for old, news in list(moved.items()):
            _follow(migration, old, news, moved, removed)
        for old in migration.moved:
            moved.setdefault(old, migration.targets(old))
        removed += migration.removed
        answers = {**migration.answers, **{old: migration.answers.get(new, new) for old, new in answers.items()}}
        choices = {migration.answers.get(name, name): table for name, table in choices.items()}
        for name, table in migration.choices.items():
            earlier = {old: table.get(new, new) for old, new in choices.get(name, {}).items()}
            choices[name] = {**table, **earlier}
    return Plan(
        moved=dict(sorted(moved.items())),
        removed=tuple(dict.fromkeys(removed)),
        answers=answers,
        choices=choices,
        dropped=tuple(name for migration in migrations for name in migration.dropped),
        seams=tuple(path for migration in migrations for path in migration.seams),
    )


def _follow(migration: Migration, old: str, news: tuple[str, ...], moved: dict[str, tuple[str, ...]], removed: list[str]) -> None:
    """Carry a move of an earlier release on through a later one."""
    last = [target for new in news for target in migration.targets(new) or (new,) if not migration.removes(target)]
    if last:
        moved[old] = tuple(last)
    else:
        del moved[old]
        removed.append(old)
    for new in news:
        if new.endswith("/"):  # a file out of a folder that an earlier release moved
            inside = {path: migration.targets(path) for path in migration.moved if path.startswith(new) and path != new}
            moved.update({old + path.removeprefix(new): targets for path, targets in inside.items()})
            removed += [old + path.removeprefix(new) for path in migration.removed if path.startswith(new) and path != new]
