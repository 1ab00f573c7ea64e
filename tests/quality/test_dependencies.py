"""The pages of dependencies list what the project names, with the licenses that the packages state; none of a doubtful kind."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.dependencies import Dependency, direct_dependencies
from support.markdown import table_rows
from support.projects import Project

PAGE = "docs/reference/dependencies.md"
PARTS = {
    "Backend": "backend",
    "Observability": "observability",
    "Development of the backend": "dev",
    "Page": "frontend",
    "Development identity provider": "keycloak",
    "Images": "images",
}
#: What asks nothing of who serves the application; the MPL only that changes to its own files are shown.
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "PSF-2.0",
}
#: The words of packages that state no SPDX expression.
SPOKEN = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
#: Prints the licenses of the packages that are its arguments; with `all`, of those that serve and what they bring.
PYTHON = """
import importlib.metadata, json, sys, tomllib
def license(name):
    said = importlib.metadata.metadata(name)
    kinds = [line.split(" :: ")[-1] for line in said.get_all("Classifier") or [] if line.startswith("License :: OSI")]
    return said.get("License-Expression") or said.get("License") or " OR ".join(kinds)
def served():
    locked = {p["name"]: p for p in tomllib.load(open("uv.lock", "rb"))["package"]}
    (project,) = [p for p in locked.values() if p["source"] == {"virtual": "."}]
    waiting = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    found = set()
    while waiting:
        wanted = waiting.pop()
        name, extras = wanted["name"], wanted.get("extra", [])
        if (name, *extras) not in found:
            found.add((name, *extras))
            package = locked[name]
            waiting += package.get("dependencies", [])
            waiting += [d for extra in extras for d in package.get("optional-dependencies", {}).get(extra, [])]
    return sorted({name for name, *_ in found})
def is_installed(name):
    try:
        return bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False  # for another system
names = served() if sys.argv[1:] == ["all"] else sys.argv[1:]
print(json.dumps({name: license(name) for name in names if is_installed(name)}))
"""


def stated(project: Path) -> dict[tuple[str, str], str]:
    """Return the license that the pages state, by part and name."""
    pages = [project / PAGE, *(project / "docs/features").glob("*.md")]
    rows = [row for page in pages for row in table_rows(page)]
    return {(PARTS[heading], cells[0]): cells[2] for heading, cells in rows if heading in PARTS and len(cells) == 4}


def named(project: Path) -> set[tuple[str, str]]:
    """Return what the project itself depends on, by part and name."""
    return {(dependency.part, dependency.name) for dependency in direct_dependencies(project)}


def choices(license_name: str) -> Iterator[set[str]]:
    """Yield what a license asks to accept together, for each of its alternatives."""
    for alternative in license_name.strip("()").split(" OR "):
        yield {SPOKEN.get(part, part) for part in alternative.strip("()").split(" AND ")}


def is_allowed(license_name: str) -> bool:
    """Tell whether one of a license's alternatives asks for nothing out of the ordinary."""
    return any(parts <= ALLOWED for parts in choices(license_name))


def python_licenses(project: Project, *names: str) -> dict[str, str]:
    """Return the licenses that installed Python packages state."""
    printed = project.run("sh", "-c", 'cd backend && exec .venv/bin/python -c "$0" "$@"', PYTHON, *names)
    licenses: dict[str, str] = json.loads(printed)
    return licenses


def npm_packages(folder: Path) -> dict[str, dict[str, object]]:
    """Return what npm's lock file says of each installed package, by name."""
    lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))
    return {path.rpartition("node_modules/")[2]: facts for path, facts in lock["packages"].items() if path}


@pytest.mark.parametrize("observability", [True, False])
def test_the_pages_list_what_the_project_depends_on(rendered: Callable[..., Path], observability: bool) -> None:
    project = rendered(include_observability=observability)
    assert len(named(project)) > 50
    assert set(stated(project)) == named(project)


def test_the_licenses_are_those_that_the_packages_state(workshop: Callable[..., Project]) -> None:
    project = workshop(include_observability=True)
    pages = stated(project.path)
    python = [name for part, name in pages if part in ("backend", "observability", "dev")]
    found = python_licenses(project, *python)
    for folder in ("frontend", "keycloak"):
        packages = npm_packages(project.path / folder)
        found |= {name: str(packages[name]["license"]) for part, name in pages if part == folder}
    expected = {name: license_name for (part, name), license_name in pages.items() if part != "images"}
    assert {name: list(choices(said)) for name, said in found.items()} == {
        name: list(choices(said)) for name, said in expected.items()
    }


def test_what_is_served_has_no_license_of_a_doubtful_kind(workshop: Callable[..., Project]) -> None:
    project = workshop(include_observability=True)
    licenses = python_licenses(project, "all")
    page = npm_packages(project.path / "frontend")
    licenses |= {name: str(facts.get("license")) for name, facts in page.items() if not facts.get("dev")}
    assert len(licenses) > 50
    assert {name: said for name, said in licenses.items() if not is_allowed(said)} == {}


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ("MIT", True),
        ("MIT License", True),
        ("(Apache-2.0 OR GPL-3.0-only)", True),
        ("Apache-2.0 AND BSD-2-Clause", True),
        ("MIT AND GPL-3.0-only", False),
        ("AGPL-3.0", False),
        ("None", False),
        ("", False),
    ],
)
def test_doubtful_licenses_are_found(said: str, allowed: bool) -> None:
    assert is_allowed(said) is allowed


def test_every_kind_of_dependency_is_read(tmp_path: Path) -> None:
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend/pyproject.toml").write_text(
        '[project]\ndependencies = ["Py_JWT[crypto]>=2"]\n[project.optional-dependencies]\nsentry = ["sentry-sdk>=3"]\n'
        '[dependency-groups]\ndev = ["pytest"]\n'
    )
    (tmp_path / "backend/Dockerfile").write_text(
        "ARG PYTHON=3.14\nFROM registry.test/uv:1 AS uv\nFROM python:${PYTHON}-slim AS base\nFROM base AS last\n"
        "COPY --from=uv /uv /uv\nCOPY --from=tool:2 /tool /tool\n"
    )
    for folder, key in (("frontend", "dependencies"), ("keycloak", "devDependencies")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "package.json").write_text(json.dumps({key: {"@scope/name": "^1"}}))
    (tmp_path / "compose.yml").write_text("services: {a: {image: redis:8}, b: {build: b, image: own:development}}\n")
    assert direct_dependencies(tmp_path) == [
        Dependency("backend", "py-jwt", ">=2"),
        Dependency("sentry", "sentry-sdk", ">=3"),
        Dependency("dev", "pytest", ""),
        Dependency("frontend", "@scope/name", "^1"),
        Dependency("keycloak", "@scope/name", "^1"),
        Dependency("images", "python", "3.14-slim"),
        Dependency("images", "redis", "8"),
        Dependency("images", "registry.test/uv", "1"),
        Dependency("images", "tool", "2"),
    ]
