"""A small template with releases, a project of it, and the companion command run as a user would run it."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from evergreen.cli import main
from support.releases import IDENTITY, commit_all, git
from support.rendering import REPOSITORY

ANSWERS = "{{ _copier_conf.answers_file }}.jinja"
SETTINGS = {"_subdirectory": "template", "_templates_suffix": ".jinja"}
CACHE = Path(tempfile.gettempdir()) / f"evergreen-mirrors-{os.getpid()}"
QUESTIONS = {"name": {"type": "str", "default": "Demo"}}
Files = dict[str, str | bytes | None]


def numbered(word: str, lines: int = 30) -> str:
    """Return lines that are all different, so that git can tell files and places apart."""
    return "".join(f"{word} {number}\n" for number in range(lines))


def write(folder: Path, files: Files) -> None:
    """Write files; None deletes one."""
    for name, content in files.items():
        path = folder / name
        if content is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


@dataclass
class Template:
    """A template in a repository of its own."""

    folder: Path
    settings: dict[str, Any]

    @classmethod
    def start(cls, folder: Path, files: Files, **settings: Any) -> "Template":
        """Make a template and release it as 1.0.0."""
        template = cls(folder, {**SETTINGS, **QUESTIONS, **settings})
        folder.mkdir(parents=True)
        git(folder, "init", "--quiet")
        template.release("1.0.0", {ANSWERS: "{{ _copier_answers | to_nice_yaml -}}", **files})
        return template

    def release(self, version: str, files: Files | None = None, changelog: str = "", **settings: Any) -> None:
        """Commit and tag a release. A setting that is None is removed; the changelog is the section of this version."""
        write(self.folder / "template", files or {})
        self.settings = {name: value for name, value in (self.settings | settings).items() if value is not None}
        (self.folder / "copier.yml").write_text(yaml.safe_dump(self.settings, sort_keys=False))
        earlier = self.folder / "CHANGELOG.md"
        text = earlier.read_text() if earlier.exists() else ""
        earlier.write_text(f"## [{version}]\n\n{changelog}\n\n{text}")
        git(self.folder, "add", "--all", "--force")
        commit_all(self.folder, f"Release {version}")
        git(self.folder, "tag", f"v{version}")

    def project(self, folder: Path, *arguments: str) -> Path:
        """Generate a project by the command."""
        evergreen(
            folder.parent, "new", str(folder), "--template", str(self.folder), "--trust", "--defaults", *arguments, status=0
        )
        return folder


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    output: str
    errors: str

    @property
    def data(self) -> Any:
        """The JSON that it printed."""
        return json.loads(self.output)


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which git knows who commits, and nothing of the machine's settings."""
    names = {
        f"GIT_{role}_{key}": IDENTITY[f"user.{key.lower()}"] for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")
    }
    settings = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "EVERGREEN_TRACEBACK": "1",
        "COPIER_CACHE_DIR": str(CACHE),
    }
    private = {name for name in os.environ if name.startswith(("GIT_", "EVERGREEN_"))}
    return {name: value for name, value in os.environ.items() if name not in private} | names | settings | more


def evergreen(folder: Path, *arguments: str, status: int | None = None, **more: str) -> Outcome:
    """Run the command in a folder, in this process for speed; with a status, it has to end with that."""
    output, errors = io.StringIO(), io.StringIO()
    before = Path.cwd()
    os.chdir(folder)
    try:
        with (
            mock.patch.dict(os.environ, environment(**more), clear=True),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
        ):
            ended = main(list(arguments))
    finally:
        os.chdir(before)
    assert "Traceback" not in errors.getvalue(), errors.getvalue()
    if status is not None:
        assert ended == status, f"{arguments} ended with {ended}:\n{output.getvalue()}\n{errors.getvalue()}"
    return Outcome(ended, output.getvalue(), errors.getvalue())


def start(folder: Path, *arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Start the command as a process of its own."""
    variables = environment(PYTHONPATH=str(REPOSITORY))
    return subprocess.Popen([sys.executable, "-m", "evergreen", *arguments], cwd=folder, env=variables, **options)


def update(project: Path, *arguments: str, status: int = 0) -> Outcome:
    """Update with the template trusted."""
    return evergreen(project, "update", "--trust", *arguments, status=status)


def work(project: Path, files: Files, message: str = "Work") -> str:
    """Commit a team's work."""
    write(project, files)
    return commit_all(project, message)


def tree(project: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and bytes of every file that is the project's: without git's folder, and without what is kept aside."""
    found = {}
    for path in sorted(project.rglob("*")):
        name = path.relative_to(project).as_posix()
        if name.split("/")[0] not in {".git", ".evergreen"} and (path.is_symlink() or path.is_file()):
            content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
            found[name] = (path.lstat().st_mode & 0o777, content)
    return found


def whole(project: Path) -> dict[str, bytes]:
    """Return every file under a project, git's own included."""
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in sorted(project.rglob("*")) if path.is_file()}


def state(project: Path) -> tuple[Any, ...]:
    """Return all that an update may not change when it is refused, previewed or taken back."""
    kept = sorted(path.relative_to(project).as_posix() for path in (project / ".evergreen").rglob("*"))
    return tree(project), kept, git(project, "status", "--porcelain"), git(project, "ls-files", "--stage"), refs(project)


def refs(project: Path) -> str:
    """Return every ref and what is checked out."""
    return git(project, "for-each-ref", "--format=%(refname) %(objectname)") + "\n" + (project / ".git/HEAD").read_text()


def fsck(project: Path) -> None:
    """See that git's objects are whole."""
    subprocess.run(["git", "fsck", "--strict", "--no-dangling"], cwd=project, check=True, capture_output=True)
