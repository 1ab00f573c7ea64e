"""Where this command was installed from: that is the template that it belongs to, and the one that it trusts.

A template runs code of its own, so Copier wants `--trust`. Whoever runs `evergreen` from a template's repository runs its code
already; any other template needs the word.
"""

import importlib.metadata
import json
from urllib.parse import unquote

from evergreen.errors import RefusedError
from evergreen.rendering import trusted
from evergreen.template import Source

DISTRIBUTION = "evergreen-template"


def origin() -> str | None:
    """Return the repository that the command was installed from (PEP 610), or nothing if that is unknown."""
    try:
        recorded = importlib.metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None
    url = json.loads(recorded).get("url") if recorded else None
    if not isinstance(url, str):
        return None
    return unquote(url.removeprefix("file://")) if url.startswith("file://") else url


def same(first: str, second: str) -> bool:
    """Tell whether two addresses name one repository."""
    return plain(first) == plain(second)


def plain(address: str) -> str:
    """Return an address without what may differ."""
    return address.removeprefix("git+").removeprefix("file://").rstrip("/").removesuffix(".git")


def require_trust(source: Source, *, said: bool) -> None:
    """Refuse to run a template's code that nobody has vouched for."""
    if said or trusted(source) or ((known := origin()) and same(known, source.address)):
        return
    raise RefusedError(
        f"The template at {source.location} runs code of its own on this machine: Jinja extensions, and migrations. "
        "If you trust it, add --trust, or list it under `trust` in Copier's settings."
    )


def version() -> str:
    """Return the command's own version."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "unknown (not installed)"
