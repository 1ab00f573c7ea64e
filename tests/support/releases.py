"""Builds a repository of the template with releases, in a folder of the test's own."""

import subprocess
from pathlib import Path

from support.rendering import copy_template

IDENTITY = {
    "user.name": "Test",
    "user.email": "test@example.com",
    "commit.gpgsign": "false",
    "init.defaultBranch": "main",
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
