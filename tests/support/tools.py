"""Programs that tests run and that `scripts/install-tools` builds, at the versions pinned there."""

import os
import re
from pathlib import Path

import pytest

INSTALLER = Path(__file__).parents[2] / "scripts" / "install-tools"


def pinned_versions() -> dict[str, str]:
    """Return each tool's version, without its v."""
    lines = re.findall(r"^([\w-]+) v([\d.]+) [\w./-]+ [\w./-]+\"?$", INSTALLER.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(lines)


def tool(name: str) -> str:
    """Return a tool's path; where it is missing the test is skipped, and fails in CI (EVERGREEN_REQUIRE_TOOLS=1)."""
    folder = Path(os.environ.get("EVERGREEN_TOOLS") or Path.home() / ".cache/evergreen/tools")
    path = folder / f"{name}-{pinned_versions()[name]}" / name
    if path.is_file():
        return str(path)
    message = f"{name} is missing: scripts/install-tools {name}"
    if os.environ.get("EVERGREEN_REQUIRE_TOOLS") == "1":
        pytest.fail(message)
    pytest.skip(message)
