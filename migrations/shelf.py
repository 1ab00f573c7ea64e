"""Where edited files lie between the two stages of an update.

In git's own folder, so that nothing of it can be committed, or get lost by a `git clean`.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from migrations.repository import forget, git, private_folder


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
