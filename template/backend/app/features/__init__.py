"""The optional features of this project, one folder each.

The list is the same in every project. A feature that was not chosen has no folder here and is
skipped, so that switching a feature on or off changes no file but its own.
"""

import importlib
from pathlib import Path
from typing import Final, Protocol, cast

from fastapi import FastAPI

# A later feature wraps the earlier ones: its middleware sees a request first and a response last.
ORDER: Final = ("sentry", "observability", "security_headers")


class Feature(Protocol):
    """What the module `app.features.<name>.install` offers."""

    def install(self, app: FastAPI) -> None:
        """Add the feature's middleware, routes and handlers to the application."""


def load_features() -> list[Feature]:
    """Import the installer of every feature that is present, in order.

    Importing a feature registers its settings, so that all settings can be checked together before
    anything is installed.

    Raises:
        ModuleNotFoundError: a feature is present and a package that it needs is not installed;
            `uv sync --extra <feature>` installs it.
    """
    here = Path(__file__).parent
    # A file is looked for, not a package: what was switched off may leave a folder of bytecode.
    present = [name for name in ORDER if (here / name / "install.py").is_file()]
    return [
        cast("Feature", importlib.import_module(f".{name}.install", __name__)) for name in present
    ]
