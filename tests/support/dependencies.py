"""What a generated project depends on directly, read from the files that say so."""

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@dataclass(frozen=True, order=True)
class Dependency:
    """A package or an image.

    `part` is `backend`, the name of an extra, `dev`, `frontend`, `keycloak` or `images`; `constraint` is as written, for an
    image its tag.
    """

    part: str
    name: str
    constraint: str


def direct_dependencies(project: Path) -> list[Dependency]:
    """Return everything that a project's manifests, Dockerfiles and Compose files name."""
    return [*_python(project), *_npm(project), *_images(project)]


def _python(project: Path) -> list[Dependency]:
    manifest = tomllib.loads((project / "backend/pyproject.toml").read_text(encoding="utf-8"))
    groups = {
        "backend": manifest["project"]["dependencies"],
        **manifest["project"].get("optional-dependencies", {}),
        **manifest["dependency-groups"],
    }
    parsed = [(part, Requirement(line)) for part, lines in groups.items() for line in lines]
    return [Dependency(part, canonicalize_name(wanted.name), str(wanted.specifier)) for part, wanted in parsed]


def _npm(project: Path) -> list[Dependency]:
    found = []
    for folder in ("frontend", "keycloak"):
        manifest = json.loads((project / folder / "package.json").read_text(encoding="utf-8"))
        for group in ("dependencies", "devDependencies"):
            found += [Dependency(folder, name, constraint) for name, constraint in manifest.get(group, {}).items()]
    return found


def _images(project: Path) -> list[Dependency]:
    named = set[str]()
    for dockerfile in project.rglob("Dockerfile"):
        named |= _base_images(dockerfile.read_text(encoding="utf-8"))
    for compose in [*project.glob("compose*.yml"), *project.glob("*/compose.yml")]:
        services = (yaml.safe_load(compose.read_text(encoding="utf-8")) or {}).get("services") or {}
        # What a service builds, or never pulls, is not an image from elsewhere.
        foreign = (service for service in services.values() if "build" not in service and service.get("pull_policy") != "never")
        named |= {service["image"] for service in foreign if "image" in service}
    pairs = [image.rpartition(":") for image in named]
    return sorted(Dependency("images", name, tag) for name, _, tag in pairs)


def _base_images(dockerfile: str) -> set[str]:
    """Return the images that a Dockerfile begins its stages with, its arguments filled in, its own stages left out."""
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)", dockerfile, re.MULTILINE))
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", dockerfile, re.MULTILINE))
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE) + re.findall(r"^COPY --from=(\S+)", dockerfile, re.MULTILINE)
    filled = {re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], base) for base in bases}
    return filled - stages
