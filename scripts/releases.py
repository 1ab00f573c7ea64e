"""The template's releases, derived from its history.

A release is the first commit at which `pyproject.toml` has a version and CHANGELOG.md a section with that version's heading:
normally the commit that bumps the one and dates the other.

    python scripts/releases.py list           version, commit, date
    python scripts/releases.py tag            put vX.Y.Z on each; idempotent
    python scripts/releases.py notes X.Y.Z    what is published with a release
"""

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from evergreen.changelog import Section, sections

REPOSITORY = Path(__file__).parents[1]
CHANGELOG = "CHANGELOG.md"
MIGRATION = "Migration"


class ReleaseError(Exception):
    """Something stands against a release; the message says what, and the way out."""


@dataclass(frozen=True)
class Release:
    """A released version and the commit that is it."""

    version: Version
    commit: str

    @property
    def tag(self) -> str:
        """The name of its tag."""
        return f"v{self.version}"


def git(repository: Path, *arguments: str) -> str:
    """Run git and return what it printed."""
    return subprocess.run(["git", *arguments], cwd=repository, check=True, capture_output=True, text=True).stdout.strip()


def version_in(pyproject: str) -> Version | None:
    """Return the version that a `pyproject.toml` gives to the project."""
    match = re.search(r'^version = "([^"]+)"$', pyproject, flags=re.MULTILINE)
    return Version(match.group(1)) if match else None


def releases(repository: Path = REPOSITORY, head: str = "HEAD") -> list[Release]:
    """Return the releases in a history, oldest first. No tag is needed.

    Raises:
        ReleaseError: the clone is shallow, so that its history does not say.
    """
    if git(repository, "rev-parse", "--is-shallow-repository") == "true":
        raise ReleaseError("This clone is shallow, so its releases are unknown. Run: git fetch --unshallow")
    found: dict[Version, Release] = {}
    for commit in git(repository, "rev-list", "--reverse", "--topo-order", head, "--", "pyproject.toml", CHANGELOG).splitlines():
        version = version_in(_file(repository, commit, "pyproject.toml"))
        if version and version not in found and section(_file(repository, commit, CHANGELOG), version):
            found[version] = Release(version, commit)
    return sorted(found.values(), key=lambda release: release.version)


def _file(repository: Path, commit: str, path: str) -> str:
    shown = subprocess.run(["git", "show", f"{commit}:{path}"], cwd=repository, capture_output=True, text=True, check=False)
    return shown.stdout


def tag(repository: Path = REPOSITORY) -> list[str]:
    """Put each release's tag on its commit, and return a line for each release.

    Raises:
        ReleaseError: a tag is on another commit. It is not moved: projects may stand on it.
    """
    known = releases(repository)
    lines, present = [], set(git(repository, "tag", "--list", "v*").splitlines())
    for release in known:
        if release.tag in present:
            commit = git(repository, "rev-parse", f"{release.tag}^{{commit}}")
            if commit != release.commit:
                raise ReleaseError(
                    f"{release.tag} is on {commit[:12]}, and the history has this release at {release.commit[:12]}. Projects may "
                    f"stand on it, so it is not moved. If it was never pushed: git tag --delete {release.tag}"
                )
            lines.append(f"{release.tag} is on {release.commit[:12]} already")
        else:
            git(
                repository,
                "-c",
                "user.name=Evergreen",
                "-c",
                "user.email=evergreen@example.com",
                "tag",
                release.tag,
                release.commit,
            )
            lines.append(f"{release.tag} put on {release.commit[:12]}")
    return lines


def section(changelog: str, version: Version) -> Section | None:
    """Return what a changelog says of one version, by the same reading as the command that shows it to teams."""
    return next((found for found in sections(changelog) if found.version == version), None)


def notes(changelog: str, version: Version) -> str:
    """Return what is published with a release: its section, and on top what needs a team's hand.

    Raises:
        ReleaseError: the changelog has no section for it, or an empty one.
    """
    found = section(changelog, version)
    if not found or not found.text:
        raise ReleaseError(
            f"{CHANGELOG} has no section '## [{version}] - <date>' with text. Write what a project's team must know."
        )
    match = re.search(rf"^### {MIGRATION}\n(.*?)(?=^### |\Z)", found.text, flags=re.MULTILINE | re.DOTALL)
    if not match:
        return f"> [!NOTE]\n> Nothing in this release needs your hand: `evergreen update` does it all.\n\n{found.text}\n"
    rest = found.text.replace(match.group(), "").strip()
    steps = "\n".join(f"> {line}".rstrip() for line in match.group(1).strip().splitlines())
    return f"> [!IMPORTANT]\n> **{MIGRATION}: this release needs your hand.**\n>\n{steps}\n\n{rest}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    commands.add_parser("tag")
    commands.add_parser("notes").add_argument("version", type=Version)
    given = parser.parse_args()
    try:
        if given.command == "list":
            for release in releases():
                print(release.version, release.commit, git(REPOSITORY, "show", "--no-patch", "--format=%as", release.commit))
        elif given.command == "tag":
            print("\n".join(tag()) or f"No release: no commit has a version and its section in {CHANGELOG}.")
        else:
            print(notes((REPOSITORY / CHANGELOG).read_text(encoding="utf-8"), given.version), end="")
    except ReleaseError as error:
        print(f"releases: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
