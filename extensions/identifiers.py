"""Jinja filters that turn an answer into an identifier or into a literal of another language."""

import json
import keyword
import re
import unicodedata

from jinja2 import Environment
from jinja2.ext import Extension

SLUG_LENGTH = 40
FALLBACK_SLUG = "my-app"
#: Names that the generated project, PostgreSQL, Keycloak or Python already use for something else.
RESERVED_SLUGS = frozenset(
    {
        "app",
        "backend",
        "frontend",
        "keycloak",
        "master",
        "postgres",
        "public",
        "redis",
        "template",
        "test",
        *keyword.kwlist,
    }
)


def slugify(name: str) -> str:
    """Return the slug that is proposed for a project name.

    Letters lose their accents; whatever is left outside of a-z and 0-9 becomes a single hyphen. The result passes the
    slug's own check, its reserved words aside, which get a suffix; a name without ASCII letters gives `my-app`.
    """
    ascii_name = unicodedata.normalize("NFKD", str(name)).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).lstrip("-0123456789")
    slug = words[:SLUG_LENGTH].strip("-")
    if len(slug) < 2:
        return FALLBACK_SLUG
    return slug if "-" in slug or slug not in RESERVED_SLUGS else f"{slug}-project"


def snake_case(slug: str) -> str:
    """Return a slug as an identifier for Python and PostgreSQL."""
    return slug.replace("-", "_")


def json_string(text: str) -> str:
    """Return text as a double-quoted literal: JSON, and likewise TOML, YAML, JavaScript and TypeScript."""
    return json.dumps(text, ensure_ascii=False)


def python_string(text: str) -> str:
    """Return text as a Python literal in the form that `ruff format` leaves alone: the quotes with fewer escapes."""
    if text.count('"') <= text.count("'"):
        return json_string(text)
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def typescript_string(text: str) -> str:
    """Return text as a TypeScript literal in the form that Prettier leaves alone (same rule as `python_string`)."""
    return python_string(text)


FILTERS = (slugify, snake_case, json_string, python_string, typescript_string)


class IdentifierFilters(Extension):
    """Registers the filters of this module under their own names."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters.update({function.__name__: function for function in FILTERS})
