"""The companion uses names of Copier's that Copier does not promise: a release of Copier without one fails here, by name."""

import ast
import importlib
import importlib.metadata
import inspect
import re
from collections.abc import Iterator

import copier.errors
import pytest
from support.rendering import REPOSITORY

#: By module: each name, with the attributes or parameters of it that the companion relies on.
INNER: dict[str, dict[str, tuple[str, ...]]] = {
    "copier._main": {
        "Worker": (
            *("_ask", "_execute_tasks", "_render_string", "_sync_git_index_executable_bit", "all_skip_if_exists", "answers"),
            *("answers_file", "dst_path", "exclude", "match_skip", "run_copy", "skip_answered", "template"),
        ),
        "as_operation": (),
    },
    "copier._settings": {"SettingsModel": ("from_file", "trust"), "is_trusted_repository": ()},
    "copier._template": {
        "Template": (
            *("_raw_config", "config_data", "exclude", "local_abspath", "message_after_update", "migration_tasks"),
            *("questions_data", "url_expanded"),
        )
    },
    "copier._user_data": {"AnswersMap": ("combined", "hidden")},
    "copier": {"Phase": ("MIGRATE", "use")},
}
NAMES = [(module, name, part) for module, names in INNER.items() for name, parts in names.items() for part in (*parts, "")]


def has(owner: object, name: str) -> bool:
    """Tell whether a class or function has an attribute, a field or a parameter."""
    fields = {**getattr(owner, "__dataclass_fields__", {}), **getattr(owner, "model_fields", {})}
    return hasattr(owner, name) or name in fields or (inspect.isfunction(owner) and name in inspect.signature(owner).parameters)


def used() -> Iterator[tuple[str, str]]:
    """Yield what the companion's code takes from Copier's inner modules, and the inner attributes of any object."""
    for path in sorted((REPOSITORY / "evergreen").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("copier."):
                yield from ((str(node.module), name.name) for name in node.names)
            elif isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr) and ast.unparse(node.value) != "self":
                yield "", node.attr


@pytest.mark.parametrize(("module", "name", "part"), NAMES)
def test_copier_still_has_what_the_companion_uses(module: str, name: str, part: str) -> None:
    version = importlib.metadata.version("copier")
    owner = getattr(importlib.import_module(module), name, None)
    where = f"Copier {version} has no {module}.{name}"
    assert owner is not None, f"{where}. Adapt evergreen/, or hold Copier below this version in pyproject.toml."
    assert not part or has(owner, part), f"{where}.{part}. Adapt evergreen/, or hold Copier below this version in pyproject.toml."


def test_every_inner_name_in_use_is_listed() -> None:
    listed = {part for names in INNER.values() for parts in names.values() for part in parts}
    public = set(copier.errors.__dict__)
    missing = {name for module, name in used() if name not in (INNER.get(module, {}) if module else listed)}
    assert missing - public == set()
