"""Programs that tests run and that `scripts/install-tools` builds or fetches, at the versions pinned there."""

import os
import re
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

INSTALLER = Path(__file__).parents[2] / "scripts" / "install-tools"


def pinned_versions() -> dict[str, str]:
    """Return each tool's version, without its v."""
    lines = re.findall(r"^([\w-]+) v([\d.]+) [\w./-]+ [\w./-]+\"?$", INSTALLER.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(lines)


def tool(name: str) -> str:
    """Return the path of a tool that `scripts/install-tools` builds; see `_missing` for when it is not there."""
    path = _tools_folder() / f"{name}-{pinned_versions()[name]}" / name
    return str(path) if path.is_file() else _missing(f"{name} is missing: scripts/install-tools {name}")


def keycloak_version() -> str:
    """Return the version of the Keycloak that `scripts/install-tools` fetches."""
    return INSTALLER.read_text(encoding="utf-8").partition("\nkeycloak_version=")[2].partition("\n")[0]


def keycloak_home() -> Path:
    """Return the folder of the Keycloak that `scripts/install-tools` fetches; see `_missing` for when it is not there."""
    home = _tools_folder() / f"keycloak-{keycloak_version()}"
    return home if (home / "bin" / "kc.sh").is_file() else Path(_missing("keycloak is missing: scripts/install-tools keycloak"))


def program(name: str, package: str) -> str:
    """Return the path of a program that the machine's packages bring; see `_missing` for when it is not there.

    Debian keeps some servers in /usr/sbin, which is not on everybody's PATH.
    """
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    return path or _missing(f"{name} is missing: apt install {package}")


def library(name: str, package: str) -> Path:
    """Return the path of a shared library that the machine's packages bring; see `_missing` for when it is not there."""
    found = (path for folder in ("/usr/lib", "/usr/lib64") for path in sorted(Path(folder).glob(f"**/{name}")))
    return next(found, None) or Path(_missing(f"{name} is missing: apt install {package}"))


def _tools_folder() -> Path:
    return Path(os.environ.get("EVERGREEN_TOOLS") or Path.home() / ".cache/evergreen/tools")


def need(given: bool, message: str) -> None:
    """End the test where something is not given; see `_missing` for how."""
    if not given:
        _missing(message)


def _missing(message: str) -> NoReturn:
    """Skip the test on a contributor's machine; fail it in CI (EVERGREEN_REQUIRE_TOOLS=1)."""
    if os.environ.get("EVERGREEN_REQUIRE_TOOLS") == "1":
        pytest.fail(message)
    pytest.skip(message)
