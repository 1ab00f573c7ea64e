"""The template of a project: where it is, which versions it has released, and what its changelog says."""

import re
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from copier._template import Template  # the one that knows Copier's short addresses; see rendering.py on such imports
from packaging.version import InvalidVersion, Version

from evergreen.errors import GitError, RefusedError
from evergreen.git import Git
from evergreen.progress import progress

TAG = re.compile(r"v\d+(\.\d+)*\S*")
DESCRIBED = re.compile(r"(?P<tag>.+)-\d+-g[0-9a-f]+")


@dataclass(frozen=True, order=True)
class Release:
    """A released version and the tag that marks it."""

    version: Version
    tag: str

    def __str__(self) -> str:
        """Return the version without the tag's letter."""
        return str(self.version)


def version_of(commit: str) -> Version | None:
    """Return the version that an answers file's `_commit` stands for; of a commit past a release, that release."""
    described = DESCRIBED.fullmatch(commit)
    try:
        return Version(described["tag"] if described else commit)
    except InvalidVersion:
        return None


@dataclass(frozen=True)
class Source:
    """A template's address as the answers file has it, and the folder that it is relative to, if it is relative."""

    location: str
    base: Path

    @classmethod
    def of(cls, location: str, project: Path) -> "Source":
        """Resolve an address against the project, or against the folder that `copier copy` was probably run in, its parent."""
        if is_relative(location):
            for base in (project, project.parent):
                if (base / location).exists():
                    return cls(location, base)
            raise RefusedError(
                f"The template's address, {location}, is relative, and there is nothing at {(project / location).resolve()}. "
                "Put the template's URL or full path into _src_path of .copier-answers.yml, and commit it."
            )
        return cls(location, project)

    @cached_property
    def address(self) -> str:
        """What git fetches from: a URL, or a full path."""
        if is_relative(self.location):
            return str((self.base / self.location).resolve())
        return str(Template(url=self.location).url_expanded)

    @cached_property
    def versions(self) -> list[Release]:
        """Every tagged version, oldest first, pre-releases among them.

        Raises:
            RefusedError: the template cannot be reached, or is not in git.
        """
        progress(f"Asking {self.location} for its releases ...")
        try:
            listed = Git(self.base).text("ls-remote", "--tags", "--refs", "--", self.address)
        except GitError as error:
            said = str(error).partition("\n")[2].splitlines() or [str(error)]
            raise RefusedError(
                f"The template at {self.location} cannot be reached: {said[0]}\n"
                "Is the address in _src_path of .copier-answers.yml still right, and may you read it? "
                f"Try: git ls-remote {self.address}"
            ) from error
        tags = [line.split("refs/tags/", 1)[1] for line in listed.splitlines()]
        found = [Release(version, tag) for tag in tags if TAG.fullmatch(tag) and (version := version_of(tag))]
        return sorted(found)

    @property
    def releases(self) -> list[Release]:
        """Every released version, oldest first; a pre-release is only taken when it is named."""
        return [release for release in self.versions if not release.version.is_prerelease]

    def release(self, wanted: str | None) -> Release:
        """Return a release by version, with or without the `v`, or the newest."""
        if not self.releases:
            raise RefusedError(
                f"The template at {self.location} has no release: no tag like v1.0.0. In a clone, git fetch --tags brings them; "
                "in one of Evergreen's own, make tags makes them. Else ask its maintainers."
            )
        if wanted is None:
            return self.releases[-1]
        for release in self.versions:
            if wanted in {release.tag, str(release)}:
                return release
        known = ", ".join(str(release) for release in self.releases[-8:])
        raise RefusedError(f"The template at {self.location} has no version {wanted}. Its newest: {known}.")

    def file(self, tag: str, path: str) -> str:
        """Return a file of one version, or nothing, without fetching more than that version."""
        with tempfile.TemporaryDirectory(prefix="evergreen-") as folder:
            address = self.address if urlsplit(self.address).scheme or "@" in self.address else f"file://{self.address}"
            git = Git(Path(folder))
            git.run("clone", "--quiet", "--bare", "--depth=1", f"--branch={tag}", "--", address, "template.git")
            result = Git(Path(folder) / "template.git").start("show", f"HEAD:{path}")
            return result.stdout.decode(errors="replace") if result.returncode == 0 else ""


def is_relative(location: str) -> bool:
    """Tell a relative path from a full one and from a URL, Copier's short ones (`gh:owner/name`) included."""
    return not (
        location.startswith(("/", "~"))
        or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", location)
        or "@" in location.split("/", maxsplit=1)[0]
    )
