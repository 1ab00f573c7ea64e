"""Libraries that some migrations import and Copier does not bring: installed beside it, for one run only.

A release's module imports them inside of its hooks, since it is also loaded where nobody runs them.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from migrations.model import MigrationError

#: By name as it is installed: the module to import, and which versions the helpers were tried with.
KNOWN = {
    "libcst": ("libcst", "libcst>=1.8,<2"),
    "ruamel.yaml": ("ruamel.yaml", "ruamel.yaml>=0.18,<0.20"),
    "tomlkit": ("tomlkit", "tomlkit>=0.13,<0.16"),
}


def missing(names: Iterable[str]) -> list[str]:
    """Return which of some libraries this Python cannot import."""
    return [name for name in names if not _importable(KNOWN[name][0])]


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


@contextmanager
def provided(names: Iterable[str], version: str) -> Iterator[None]:
    """Make libraries importable: those that this Python lacks are installed into a folder that goes away again.

    Raises:
        MigrationError: they cannot be installed. The message says what to start Copier with instead.
    """
    wanted = missing(names)
    if not wanted:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="evergreen-migration-") as folder:
        _install([KNOWN[name][1] for name in wanted], folder, version)
        sys.path.insert(0, folder)
        importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.path.remove(folder)


def _install(requirements: list[str], folder: str, version: str) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", folder, *requirements]
    elif importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, *requirements]
    else:
        raise MigrationError(
            f"The migration to {version} needs {', '.join(requirements)}, which Copier's Python ({sys.executable}) lacks, and "
            "there is neither uv nor pip to install them. Put uv on PATH, or bring them: uvx "
            + " ".join(f"--with '{requirement}'" for requirement in ["copier-template-extensions", *requirements])
            + " copier update --trust"
        )
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        reason = "\n".join((result.stderr or result.stdout).strip().splitlines()[-5:])
        raise MigrationError(
            f"The migration to {version} needs {', '.join(requirements)}, and installing them with "
            f"{' '.join(command[:3])} failed:\n{reason}\nRepair that and update again."
        )
