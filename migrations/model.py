"""What a release's module declares: what it did to the template that Copier cannot see by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Hook = Callable[[Path], None]


class MigrationError(Exception):
    """A migration cannot go on; the message states the fact and the way out."""


def nothing(project: Path) -> None:
    """Do nothing: the hook of a release that needs none."""


@dataclass(frozen=True)
class Migration:
    """One release's changes to an existing project. Paths are those in the project, relative to its root, with `/`.

    Attributes:
        moved: the new path of each file that the release renamed, or several for one that it split. A path that ends with `/`
            is a folder, and its new path ends with `/` too.
        removed: files (or folders, ending with `/`) that the release deletes.
        answers: the new name of each renamed question.
        choices: by the question's new name, what takes the place of each choice that is gone.
        dropped: questions that are gone, whose answer means nothing any more.
        seams: files of the team that the release changes all the same; the module says why.
        needs: libraries that the hooks import: of `libraries.KNOWN`.
        before: called in the project before the update. It sees no answers, and must `git add` what it writes.
        after: called in the project after the update. Both must change nothing when they are called again.

    """

    moved: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, Mapping[Any, Any]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    seams: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    before: Hook = nothing
    after: Hook = nothing

    def targets(self, path: str) -> tuple[str, ...]:
        """Return the new paths of a file, or nothing if this release did not move it. Its own entry goes before its folder's."""
        folders = [old for old in self.moved if old.endswith("/") and path.startswith(old)]
        old = path if path in self.moved else max(folders, key=len, default="")
        if not old:
            return ()
        new = self.moved[old]
        return tuple(name + path.removeprefix(old) for name in ((new,) if isinstance(new, str) else new))

    def removes(self, path: str) -> bool:
        """Say whether this release deletes a file."""
        return any(path == old or (old.endswith("/") and path.startswith(old)) for old in self.removed)
