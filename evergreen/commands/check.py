"""`evergreen check` tells whether there is a newer version."""

import json
from dataclasses import dataclass

from packaging.version import Version
from plumbum import cli

from evergreen.changelog import between
from evergreen.commands.base import ProjectCommand, current_version
from evergreen.recovery import attended
from evergreen.template import Source, version_of

CURRENT, BEHIND = 0, 1


@dataclass(frozen=True)
class Standing:
    """How a project stands among its template's releases."""

    current: str
    newest: str
    behind: list[str]
    security: list[str]


def standing(source: Source, commit: str) -> Standing:
    """Compare a project's version with the releases."""
    version = current_version(commit)
    newest = source.release(None)
    behind = [release for release in source.releases if release.version > version]
    text = source.file(newest.tag, "CHANGELOG.md") if behind else ""
    security = [str(part.version) for part in between(text, version, newest.version) if part.security]
    return Standing(commit.removeprefix("v"), str(newest), [str(release) for release in behind], security)


class Check(ProjectCommand):
    """Compare the project's version with the template's releases.

    The exit status is 0 when the project is current, 1 when it is behind, 2 when that cannot be told.
    """

    as_json = cli.Flag(["--json"], help="print JSON")
    exit_zero = cli.Flag(["--exit-zero"], help="exit with 0 when the project is behind, too")

    def main(self) -> int:
        """Print the standing."""
        project = self.find()
        attended(project)
        found = standing(Source.of(project.answers.source, project.root), project.answers.commit)
        print(json.dumps(found.__dict__, indent=2) if self.as_json else sentence(found))
        return BEHIND if found.behind and not self.exit_zero else CURRENT


def sentence(found: Standing) -> str:
    """Return the standing as people say it."""
    if not found.behind and Version(found.newest) < (version_of(found.current) or Version("0")):
        return f"{found.current} is newer than the newest release, {found.newest}."
    if not found.behind:
        return f"{found.current} is current: the newest release is {found.newest}."
    count = len(found.behind)
    named = f": {', '.join(found.behind)}" if count > 1 else ""
    text = f"{found.current} is {count} release{'s' if count > 1 else ''} behind {found.newest}{named}."
    if found.security:
        text += f"\nSecurity: {', '.join(found.security)}. Update soon."
    return text + "\nevergreen preview shows what an update would do; evergreen update does it."
