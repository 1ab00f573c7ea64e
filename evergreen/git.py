"""git, run by name in one folder, without what a user's settings or a hook's environment would change.

Every path crosses as NUL-separated bytes, so that no file name is quoted, translated or split.
"""

import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from evergreen.errors import GitError, RefusedError

OLDEST = (2, 38)
"""`git merge-tree --write-tree` came with this version."""
PRIVATE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE",
           "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_LITERAL_PATHSPECS", "GIT_QUARANTINE_PATH")  # fmt: skip
"""Set by git for its hooks; inherited, they would send our commands to another repository."""
SETTINGS = {
    "core.hooksPath": os.devnull,  # a hook of the team's sees our steps only when we commit for them
    "core.fsmonitor": "false",
    "core.untrackedCache": "false",
    "core.splitIndex": "false",  # a split index would leave a second file in the project
    "core.safecrlf": "false",
    "gc.auto": "0",
}
IDENTITY = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in
            (("NAME", "evergreen"), ("EMAIL", "evergreen@localhost"), ("DATE", "@0 +0000"))}  # fmt: skip
"""Of the synthetic commits only: the same input gives the same commit."""


@dataclass(frozen=True)
class Git:
    """git in a folder, with variables of its own and descriptors that its children keep open."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()

    def having(self, **variables: str | Path) -> "Git":
        """Return the same git with more environment variables."""
        return replace(self, variables=self.variables | {name: str(value) for name, value in variables.items()})

    def start(
        self, *arguments: str, given: bytes = b"", hooks: bool = False, settings: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git and return how it ended, whatever the status."""
        chosen = {name: value for name, value in SETTINGS.items() if not hooks} | (settings or {})
        options = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
        environment = {name: value for name, value in os.environ.items() if name not in PRIVATE}
        try:
            return subprocess.run(
                ["git", "--no-optional-locks", *options, *arguments],
                cwd=self.folder,
                env=environment | {"LC_ALL": "C"} | self.variables,
                input=given,
                capture_output=True,
                check=False,
                pass_fds=self.descriptors,
            )
        except FileNotFoundError as error:
            raise RefusedError("git is not installed, or not on PATH. Evergreen needs git 2.38 or later.") from error

    def run(self, *arguments: str, given: bytes = b"", hooks: bool = False, settings: dict[str, str] | None = None) -> bytes:
        """Run git and return what it printed.

        Raises:
            GitError: it ended with another status than 0.
        """
        result = self.start(*arguments, given=given, hooks=hooks, settings=settings)
        if result.returncode:
            said = (result.stderr or result.stdout).decode(errors="replace").strip()
            if "filter" in said and "failed" in said:
                said += "\nA filter that .gitattributes names does not work here. Install what it needs, and try again."
            raise GitError(f"`git {' '.join(arguments)}` in {self.folder} ended with {result.returncode}:\n{said}")
        return result.stdout

    def text(self, *arguments: str, given: bytes = b"") -> str:
        """Run git and return what it printed as one stripped string."""
        return os.fsdecode(self.run(*arguments, given=given)).strip()

    def fields(self, *arguments: str, given: bytes = b"") -> list[str]:
        """Run git with `-z` among the arguments and return the fields."""
        return [os.fsdecode(part) for part in self.run(*arguments, given=given).split(b"\0") if part]

    def succeeds(self, *arguments: str) -> bool:
        """Tell whether git ended with 0."""
        return self.start(*arguments).returncode == 0

    def setting(self, name: str) -> str | None:
        """Return a setting's value, or nothing when it is not set."""
        result = self.start("config", "--get", name)
        return result.stdout.decode().strip() if result.returncode == 0 else None


def zero_terminated(names: Iterable[str]) -> bytes:
    """Return names as git's `-z --stdin` wants them."""
    return b"".join(os.fsencode(name) + b"\0" for name in names)


def require_git() -> None:
    """Refuse a git that cannot merge without a working tree."""
    found = Git(Path()).text("--version")
    numbers = re.search(r"(\d+)\.(\d+)", found)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
        raise RefusedError(f"Evergreen needs git {'.'.join(map(str, OLDEST))} or later; here is {found}. Install a newer git.")
