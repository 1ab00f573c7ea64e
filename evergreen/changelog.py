"""Sections of a changelog in the form of Keep a Changelog, and which of them concern security."""

import re
from dataclasses import dataclass
from itertools import zip_longest

from packaging.version import InvalidVersion, Version

HEADING = re.compile(r"^## +\[?v?(?P<version>[^\]\s]+)\]?(?P<rest>.*)$", re.MULTILINE)
PARTS = re.compile(r"^### +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """What the changelog says of one version."""

    version: Version
    text: str

    @property
    def security(self) -> bool:
        """Whether the release mends something that an attacker could use."""
        return "security" in self.parts

    @property
    def migration(self) -> bool:
        """Whether the release needs a hand of the team's."""
        return "migration" in self.parts

    @property
    def parts(self) -> set[str]:
        """The third-level headings, in lower case."""
        return {name.lower() for name in PARTS.findall(self.text)}


def sections(changelog: str) -> list[Section]:
    """Return every version's section in the order of the file; headings that are no version are left out."""
    found = []
    headings = list(HEADING.finditer(changelog))
    for heading, following in zip_longest(headings, headings[1:]):
        try:
            version = Version(heading["version"])
        except InvalidVersion:
            continue
        text = changelog[heading.end() : following.start() if following else len(changelog)]
        found.append(Section(version, re.split(r"^\[[^\]]+\]: ", text, maxsplit=1, flags=re.MULTILINE)[0].strip()))
    return found


def between(changelog: str, old: Version | None, new: Version | None) -> list[Section]:
    """Return the sections of the versions after `old` up to `new`, oldest first."""
    return sorted(
        (part for part in sections(changelog) if (old is None or part.version > old) and (new is None or part.version <= new)),
        key=lambda part: part.version,
    )
