"""A generated project: where it is, what its answers file says, and whether an update may touch it."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from evergreen.errors import RefusedError, values
from evergreen.git import Git

ANSWERS_FILE = ".copier-answers.yml"
OPERATIONS = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "BISECT_LOG": "bisect",
}


@dataclass(frozen=True)
class Answers:
    """What the answers file holds: where the project came from, and its answers by question."""

    source: str
    commit: str
    values: dict[str, Any]

    @classmethod
    def read(cls, content: bytes, name: str) -> "Answers":
        """Parse an answers file; `name` is for messages.

        Raises:
            RefusedError: it is no mapping, or lacks the template's address or version.
        """
        if b"\n<<<<<<< " in b"\n" + content:
            raise RefusedError(f"{name} holds conflict markers. Take one side of each conflict, and commit it.")
        try:
            data = yaml.safe_load(content)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1}" if mark else ""
            raise RefusedError(
                f"{name} is no valid YAML{where}: {getattr(error, 'problem', error)}. "
                f"Restore an earlier state: git log -- {name}, then git checkout <commit> -- {name}."
            ) from error
        if not isinstance(data, dict):
            raise RefusedError(f"{name} holds no answers. Restore an earlier state: git checkout <commit> -- {name}.")
        missing = [key for key in ("_src_path", "_commit") if not isinstance(data.get(key), str) or not data[key]]
        if missing:
            raise RefusedError(
                f"{name} does not say {' and '.join(missing)} (the template's address and version). "
                f"Restore an earlier state: git log -- {name}, then git checkout <commit> -- {name}."
            )
        return cls(data["_src_path"], data["_commit"], {str(key): value for key, value in data.items()})


@dataclass(frozen=True)
class Project:
    """A project in git. It may be a folder of a larger repository, and a linked worktree."""

    root: Path
    top: Path
    git: Git
    git_folder: Path
    answers_file: str = ANSWERS_FILE

    @classmethod
    def find(cls, start: Path, answers_file: str = ANSWERS_FILE) -> "Project":
        """Find the project that a folder belongs to: the nearest one upwards with an answers file."""
        start = start.resolve()
        if not start.is_dir():
            raise RefusedError(f"{start} is no folder.")
        root = next((folder for folder in (start, *start.parents) if (folder / answers_file).is_file()), None)
        if root is None:
            raise RefusedError(
                f"There is no {answers_file} in {start} or above it, so this is no project of a template. "
                f"Change into the project. If the file was deleted: git checkout <commit> -- {answers_file}."
            )
        git = Git(root)
        found = git.start("rev-parse", "--show-toplevel")
        if found.returncode:
            said = found.stderr.decode(errors="replace").strip()
            raise RefusedError(
                f"{root} is not in git. Updates merge into commits: git init && git add -A && git commit -m Start"
                if "not a git repository" in said
                else f"git does not open {root}: {said}"
            )
        top = Path(git.text("rev-parse", "--show-toplevel")).resolve()
        return cls(root, top, Git(top), Path(git.text("rev-parse", "--absolute-git-dir")), answers_file)

    def holding(self, *descriptors: int) -> "Project":
        """Return the project with descriptors that every git child keeps open."""
        return replace(self, git=replace(self.git, descriptors=descriptors))

    @property
    def prefix(self) -> str:
        """The project's folder in its repository, with a slash at the end, or nothing."""
        inside = self.root.relative_to(self.top).as_posix()
        return "" if inside == "." else f"{inside}/"

    @property
    def answers_path(self) -> str:
        """The answers file's path in the repository."""
        return self.prefix + self.answers_file

    @cached_property
    def answers(self) -> Answers:
        """The answers in the working tree."""
        return Answers.read((self.root / self.answers_file).read_bytes(), self.answers_file)

    def head(self) -> str:
        """Return the commit that is checked out."""
        if not self.git.succeeds("rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
            raise RefusedError(f"{self.top} has no commit yet. Updates merge into commits: git add -A && git commit -m Start")
        return self.git.text("rev-parse", "HEAD")

    def require_mergeable(self) -> None:
        """Refuse what no update can be worked out for: a part of a checkout, a commit without the answers as a file."""
        if self.git.setting("core.sparseCheckout") == "true":
            raise RefusedError("Only a part of the project is checked out (sparse checkout). First: git sparse-checkout disable")
        mode = self.git.text("ls-tree", "--format=%(objectmode)", "HEAD", "--", f":(top,literal){self.answers_path}")
        if not mode.startswith("100"):
            raise RefusedError(
                f"{self.answers_path} {'is a link or a folder' if mode else 'is not committed'} in git. "
                f"Updates merge into commits: make it a file, then git add --force {self.answers_path} && git commit"
            )

    def branch(self) -> str | None:
        """Return the full name of the branch that is checked out, or nothing when none is."""
        result = self.git.start("symbolic-ref", "--quiet", "HEAD")
        return result.stdout.decode().strip() or None

    def require_ready(self) -> None:
        """Refuse whatever an update could not take back: changes that are not committed, a merge under way, hidden files."""
        self.head()
        under_way = [name for file, name in OPERATIONS.items() if (self.git_folder / file).exists()]
        if under_way:
            raise RefusedError(f"A {under_way[0]} is under way in {self.top}. Finish it or abort it (git status says how).")
        changed = [entry[3:] for entry in self.git.fields("status", "--porcelain", "-z", "--no-renames")]
        if changed:
            raise RefusedError(
                f"{len(changed)} {'file is' if len(changed) == 1 else 'files are'} not committed: {values(changed)}. "
                "Commit or stash them (git stash --include-untracked), so that the update can be taken back."
            )
        self.require_mergeable()
        lock = self.git_folder / "index.lock"
        if lock.exists():
            raise RefusedError(f"Another git command holds {lock}. If none runs any more, delete that file, and try again.")

    def hidden(self) -> set[str]:
        """Return the files whose changes git was told not to look at."""
        entries = self.git.fields("ls-files", "-v", "-z")
        return {entry[2:] for entry in entries if entry[0].islower() or entry[0] == "S"}
