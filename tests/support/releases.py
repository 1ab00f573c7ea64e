"""Builds a repository of the template with releases, in a folder of the test's own."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from check_release import SUPPORTED_FROM, last_release
from packaging.version import Version
from releases import ReleaseError, releases, version_in

from support.rendering import REPOSITORY, copy_template

IDENTITY = {
    "user.name": "Test",
    "user.email": "test@example.com",
    "commit.gpgsign": "false",
    "init.defaultBranch": "main",
    # A commit that packs the repository in the background would do so while a test copies it.
    "gc.auto": "0",
}


def git(repository: Path, *arguments: str) -> str:
    """Run git in a repository with an identity of the test's own and return what it printed."""
    settings = [part for name, value in IDENTITY.items() for part in ("-c", f"{name}={value}")]
    return subprocess.run(
        ["git", *settings, *arguments], cwd=repository, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit_all(repository: Path, message: str) -> str:
    """Commit the whole tree and return the commit's id."""
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(repository, "rev-parse", "HEAD")


def start_repository(folder: Path) -> Path:
    """Make a folder a repository and commit what it holds."""
    git(folder, "init", "--quiet")
    commit_all(folder, "Start")
    return folder


def release(template: Path, version: str) -> None:
    """Commit the template's tree and tag it as a release."""
    commit_all(template, f"Release {version}")
    git(template, "tag", f"v{version}")


def released_template(folder: Path, version: str) -> Path:
    """Copy the working tree into a repository of its own whose only release it is."""
    template = start_repository(copy_template(folder))
    release(template, version)
    return template


@dataclass(frozen=True)
class History:
    """A clone of this repository with a tag on each release, and the working tree as the next."""

    folder: Path
    #: The releases whose projects are promised updates, oldest first; before 1.0.0 there is one, to try the machinery with.
    supported: list[str]
    next: str


def supported_releases() -> list[str]:
    """Return the versions from which updates are promised. Derived from the history: no tag is needed."""
    known = [release.version for release in releases(REPOSITORY)]
    return [str(version) for version in known if version >= SUPPORTED_FROM] or [str(version) for version in known[-1:]]


def each_release() -> list[Any]:
    """Return the supported versions as parameters of a test: the newest for every run, the earlier ones for `make verify`.

    The newest is the one before the present commit, if that is a release itself.
    """
    versions = supported_releases()
    if not versions:
        raise ReleaseError(
            "The history holds no release: is this a clone of the repository, with pyproject.toml and CHANGELOG.md?"
        )
    last = str(last_release(REPOSITORY).version) if len(versions) > 1 else versions[0]
    newest = last if last in versions else versions[-1]
    others = [version for version in reversed(versions) if version != newest]
    return [newest, *(pytest.param(version, marks=pytest.mark.verify) for version in others)]


def unsupported_releases() -> list[str]:
    """Return the versions that promised no updates."""
    return [str(release.version) for release in releases(REPOSITORY) if release.version < SUPPORTED_FROM]


def history(folder: Path) -> History:
    """Clone this repository, tag its releases, and make the working tree the newest of them."""
    known = releases(REPOSITORY)
    git(folder.parent, "clone", "--quiet", "--no-tags", "--no-checkout", str(REPOSITORY), str(folder))
    for one in known:
        git(folder, "tag", one.tag, one.commit)
    newest, present = known[-1].version, version_in((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    following = present if present and present > newest else Version(f"{newest.major}.{newest.minor + 1}.0")
    copy_template(folder)
    release(folder, str(following))
    return History(folder, supported_releases(), str(following))
