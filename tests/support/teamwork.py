"""Does to a generated project what a team does in a year, in every file that teams often edit.

Each edit replaces a text that stands once in its file. So the same edits can be made in a project of an earlier release, which
is then updated, and in a new project of a later one: the first must become the second, byte for byte.
"""

import json
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

from support.projects import clean_environment
from support.releases import git
from support.rendering import REPOSITORY
from support.team_edits import BINARY, DELETED, EDITS, IGNORED, LATER, MOVED, OWN, RENAMED

UV = str(REPOSITORY / ".venv/bin/uv")


def replace(
    project: Path,
    places: Mapping[str, str] | None = None,
    *,
    only: tuple[str, ...] = ("",),
    without: tuple[str, ...] = (),
    had: Path | None = None,
) -> None:
    """Make the edits.

    Args:
        project: a generated project.
        places: where a later release has a file, if not where the first had it.
        only: beginnings of the names of files to edit.
        without: beginnings of the names of files to leave as they are.
        had: the project that is updated, if not this one: what it lacks nobody has edited.

    """
    for name, edits in {**EDITS, **LATER}.items():
        if not name.startswith(only) or name.startswith(without) or (name in LATER and not ((had or project) / name).exists()):
            continue
        path = project / (places or {}).get(name, name)
        text = path.read_text(encoding="utf-8")
        for old, new in edits:
            assert text.count(old) >= 1, (
                f"{name} has no {old!r} any more: teams that have edited it get a conflict. Leave it; or, if it is meant, "
                "edit another place of that file in tests/support/team_edits.py."
            )
            text = text.replace(old, new, 1)
        path.write_text(text, encoding="utf-8")


def rearrange(project: Path) -> None:
    """Add, delete, rename, move and replace files."""
    for name, content in {**OWN, **BINARY, **IGNORED}.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(content)
    for name in DELETED:
        (project / name).unlink()
    for old, new in {**RENAMED, **MOVED}.items():
        (project / new).parent.mkdir(parents=True, exist_ok=True)
        (project / old).rename(project / new)


def install(project: Path) -> None:
    """Add packages as a team does. The lock files, and the packages' versions, come from the registries."""
    backend, frontend = project / "backend", project / "frontend"
    run(backend, UV, "add", "--quiet", "--no-sync", "rich")
    run(backend, UV, "add", "--quiet", "--no-sync", "--dev", "time-machine")
    quiet = ("--no-audit", "--no-fund", "--loglevel=error")
    run(frontend, "npm", "install", "--package-lock-only", "--ignore-scripts", *quiet, "zod")


def install_offline(project: Path, rich: str = "rich>=15", clock: str = "time-machine>=3", zod: str = "^4.0.0") -> None:
    """Add the same packages by the same tools, which write down what they are told without asking the registries."""
    run(project / "backend", UV, "add", "--quiet", "--frozen", rich)
    run(project / "backend", UV, "add", "--quiet", "--frozen", "--dev", clock)
    run(project / "frontend", "npm", "pkg", "set", f"dependencies.zod={zod}")


def install_alike(project: Path, other: Path) -> None:
    """Add to a project what another has added, in the same versions."""
    described = tomllib.loads((other / "backend/pyproject.toml").read_text())
    (rich,) = [name for name in described["project"]["dependencies"] if name.startswith("rich")]
    (clock,) = [name for name in described["dependency-groups"]["dev"] if name.startswith("time-machine")]
    install_offline(project, rich, clock, json.loads((other / "frontend/package.json").read_text())["dependencies"]["zod"])
    for name in ("backend/uv.lock", "frontend/package-lock.json"):
        if (other / name).exists():
            (project / name).write_bytes((other / name).read_bytes())


def run(folder: Path, *command: str) -> None:
    """Run a tool in a folder."""
    subprocess.run(command, cwd=folder, env=clean_environment(), check=True, capture_output=True)


def whole(project: Path) -> dict[str, bytes]:
    """Return every file of a project but git's, and what an update has kept aside."""
    found = {path.relative_to(project).as_posix(): path for path in sorted(project.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name.split("/")[0] not in {".git", ".evergreen"}}


def history_of(project: Path) -> tuple[str, ...]:
    """Return what an update may not touch: commits and branches, settings, hooks."""
    config = (project / ".git/config").read_text()
    refs = git(project, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags", "refs/remotes")
    return git(project, "rev-parse", "HEAD"), refs, config, (project / ".git/HEAD").read_text()
