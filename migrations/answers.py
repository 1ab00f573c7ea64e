"""Answers that a release renames, or whose choices it replaces: carried over in the answers file before the update.

Copier reads that file twice in an update: once to render the old release, and again after the migrations to render the new one.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from migrations.base import ANSWERS_FILE
from migrations.model import Migration
from migrations.repository import stage


def carry_over(project: Path, migration: Migration) -> list[str]:
    """Rewrite the answers file, and return a line for each answer that is another now."""
    path = project / ANSWERS_FILE
    text = path.read_text(encoding="utf-8")
    renamed = rename(text, migration.answers)
    replaced = renamed
    for name, table in migration.choices.items():
        replaced = replace(replaced, name, table)
    if replaced == text:
        return []
    path.write_text(replaced, encoding="utf-8")
    stage(project, ANSWERS_FILE)
    before, after = yaml.safe_load(renamed), yaml.safe_load(replaced)
    notes = [
        f"The answer {old} is called {new} now." for old, new in migration.answers.items() if renamed != text and new in after
    ]
    notes += [
        f"The answer {name} was {before[name]!r}, which is gone; it is {after[name]!r} now."
        for name in migration.choices
        if name in after and before[name] != after[name]
    ]
    return notes


def rename(text: str, names: Mapping[str, str]) -> str:
    """Rename top-level keys of an answers file. A key whose new name is there already stays as it is."""
    present = yaml.safe_load(text) or {}
    for old, new in names.items():
        if old in present and new not in present:
            text = re.sub(rf"^{re.escape(old)}:", f"{new}:", text, count=1, flags=re.MULTILINE)
    return text


def replace(text: str, name: str, choices: Mapping[Any, Any]) -> str:
    """Replace the value of an answer that is one of the choices that are gone."""
    value = (yaml.safe_load(text) or {}).get(name)
    if isinstance(value, str | int | float | bool) and value in choices:
        literal = yaml.safe_dump(choices[value], default_flow_style=True, allow_unicode=True).removesuffix("\n...\n").strip()
        entry = rf"^{re.escape(name)}:.*\n(?:[ \t].*\n|\n)*"  # a long text goes on in indented lines
        text = re.sub(entry, lambda _: f"{name}: {literal}\n", text, count=1, flags=re.MULTILINE)
    return text
