"""Prints, for each direct dependency of a generated project, what is asked for and what there is. Usage: make outdated.

For each: the constraint that a new project starts with, the newest stable version, the day of the newest release, and a
remark: `newer` where the constraint does not admit the newest version, `unmaintained?` where two years went by without a
release. uv and npm are asked, so that their own configuration says which registry. Images are listed with their tags and not
looked up: neither tool knows their registries.
"""

import json
import subprocess
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from packaging.requirements import Requirement
from support.dependencies import direct_dependencies
from support.rendering import REPOSITORY, copy_template, render

UV = REPOSITORY / ".venv" / "bin" / "uv"
SILENCE = timedelta(days=2 * 365)
"""Without a release for so long, somebody has to look whether the project is finished or left alone."""


@dataclass(frozen=True)
class Newest:
    """The newest stable version of a package, and when it was released."""

    version: str
    released: datetime


def newest_on_pypi(name: str) -> Newest:
    """Ask uv, by having it lock a project that needs nothing else: a lock file states when each file was uploaded."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = f'[project]\nname = "asks"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["{name}"]\n'
        Path(folder, "pyproject.toml").write_text(manifest, encoding="utf-8")
        subprocess.run([UV, "lock", "--quiet"], cwd=folder, check=True)
        lock = tomllib.loads(Path(folder, "uv.lock").read_text(encoding="utf-8"))
    (package,) = (package for package in lock["package"] if package["name"] == name)
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    return Newest(package["version"], max(datetime.fromisoformat(str(file["upload-time"])) for file in files))


def newest_on_npm(name: str) -> Newest:
    """Ask npm for what it would install by the name alone."""
    answer = subprocess.run(
        ["npm", "view", name, "version", "time", "--json"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ).stdout
    facts = json.loads(answer)
    return Newest(facts["version"], datetime.fromisoformat(facts["time"][facts["version"]]))


def admits_on_npm(package: str, constraint: str, version: str, folder: Path) -> bool:
    """Tell whether npm would install a version under a constraint: npm's own rules decide."""
    answer = subprocess.run(
        ["npm", "view", f"{package}@{constraint}", "version", "--json"],
        check=True,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ).stdout
    found = json.loads(answer)
    return version in ([found] if isinstance(found, str) else found)


def line(part: str, name: str, constraint: str) -> str:
    """Return what there is to say of a dependency."""
    if part == "images":
        return f"{part:<14} {name:<42} {constraint}"
    if part in ("frontend", "keycloak"):
        newest = newest_on_npm(name)
        admitted = admits_on_npm(name, constraint, newest.version, REPOSITORY)
    else:
        newest = newest_on_pypi(name)
        admitted = Requirement(f"x{constraint}").specifier.contains(newest.version, prereleases=True)
    remarks = [] if admitted else ["newer"]
    if datetime.now(UTC) - newest.released > SILENCE:
        remarks.append("unmaintained?")
    return f"{part:<14} {name:<42} {constraint:<22} {newest.version:<14} {newest.released:%Y-%m-%d}  {' '.join(remarks)}".rstrip()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = render(copy_template(Path(folder) / "template"), Path(folder) / "project")
        dependencies = direct_dependencies(project)
    print(f"{'part':<14} {'name':<42} {'asked for':<22} {'newest':<14} released")
    with ThreadPoolExecutor(8) as pool:
        for text in pool.map(lambda dependency: line(dependency.part, dependency.name, dependency.constraint), dependencies):
            print(text)


if __name__ == "__main__":
    main()
