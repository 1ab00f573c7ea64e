"""Jinja filters that turn an answer into a name or a literal of another language."""

import json
import re
import unicodedata

from jinja2.ext import Extension


def slugify(name: str) -> str:
    """Return a slug for a project name: lower-case ASCII letters, digits and single hyphens, starting with a letter."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")
    slug = re.sub(r"^[0-9-]+", "", slug)[:40].strip("-")
    return slug or "my-app"


def snake_case(slug: str) -> str:
    """Return a slug as an identifier for Python and PostgreSQL: hyphens become underscores."""
    return slug.replace("-", "_")


def json_string(text: str) -> str:
    """Return text as a double-quoted JSON string, which is a TOML basic string and a YAML scalar as well."""
    return json.dumps(text, ensure_ascii=False)


def python_string(text: str) -> str:
    """Return text as a Python literal in the form that `ruff format` leaves alone: the quotes that need fewer escapes."""
    if '"' in text and "'" not in text:
        return f"'{text}'"
    return json_string(text)


class IdentifierFilters(Extension):
    """Registers the filters of this module."""

    def __init__(self, environment):
        super().__init__(environment)
        environment.filters.update(
            slugify=slugify, snake_case=snake_case, json_string=json_string, python_string=python_string
        )
