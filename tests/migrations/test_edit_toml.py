"""A dependency that a release adds stands where `uv add` would put it, and no other line changes."""

import difflib
import subprocess
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st
from support.projects import clean_environment
from support.rendering import REPOSITORY

from migrations.edit_toml import add_dependency

UV = str(REPOSITORY / ".venv/bin/uv")
HEAD = """\
[project]
name = "acme"   # ours
version = "0"
requires-python = ">=3.11"
dependencies = {}
"""
OPTIONAL = """
[project.optional-dependencies]
observability = [
    "opentelemetry-api>=1",
]

[dependency-groups]
dev = [
    "pytest>=9",
]
"""
TOOL = """
[tool.acme]
a   = 1
"""
LISTS = {
    "empty": "[]",
    "sorted": '[\n    "alembic>=1",\n    "uvicorn[standard]>=0.3",\n]',
    "on one line": '["alembic>=1", "zope"]',
    "unsorted": '[\n    "zope",\n    "alembic",\n]',
    "another indentation": '[\n  "flask",\n  "redis[hiredis]>=5",\n]',
    "commented": '[\n    # why\n    "alembic>=1",\n    "zope", # z\n]',
}
REQUIREMENTS = ("sentry-sdk[fastapi]>=2.40", "aa", "Redis2>=1", "zzz")
PLACES = {"project": ([], {}), "extra": (["--optional", "sentry"], {"extra": "sentry"}), "group": (["--dev"], {"group": "dev"})}


@pytest.mark.parametrize("dependencies", LISTS.values(), ids=list(LISTS))
def test_a_dependency_is_added_as_uv_would(dependencies: str, tmp_path: Path) -> None:
    manifest = tmp_path / "pyproject.toml"
    for rest in (TOOL, OPTIONAL + TOOL):
        for command, place in PLACES.values():
            text = HEAD.format(dependencies) + rest
            manifest.write_text(text)
            requirement = REQUIREMENTS[len(command) + len(rest) % 2]
            subprocess.run(
                [UV, "add", "--frozen", "--quiet", *command, requirement],
                cwd=tmp_path,
                env=clean_environment(),
                check=True,
            )
            assert add_dependency(text, requirement, **place) == manifest.read_text()


def test_the_position_is_uv_s(tmp_path: Path) -> None:
    manifest = tmp_path / "pyproject.toml"
    text = HEAD.format(LISTS["another indentation"])
    for requirement in REQUIREMENTS:
        manifest.write_text(text)
        command = [UV, "add", "--frozen", "--quiet", requirement]
        subprocess.run(command, cwd=tmp_path, env=clean_environment(), check=True)
        text = add_dependency(text, requirement)
        assert text == manifest.read_text()


def test_a_package_that_is_there_stays_as_the_team_has_it() -> None:
    text = HEAD.format('[\n    "Sentry_SDK==1.0",\n]')
    assert add_dependency(text, "sentry-sdk>=2.40") == text


names = st.from_regex(r"[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,4})?", fullmatch=True)
comments = st.sampled_from(["", " # pinned: see 12", "  #x"])
items = st.lists(
    st.tuples(names, comments, st.sampled_from(["", "    # above\n", "\n"])), max_size=6, unique_by=lambda item: item[0]
)


@settings(deadline=None, max_examples=60)
@given(items, names, st.booleans())
def test_no_other_line_changes(present: list[tuple[str, str, str]], name: str, comma: bool) -> None:
    lines = [f'{above}    "{item}>=1",{comment}\n' for item, comment, above in present]
    if lines and not comma:
        lines[-1] = lines[-1].replace('",', '"')
    text = HEAD.format("[\n" + "".join(lines) + "]") + OPTIONAL + TOOL
    changed = add_dependency(text, f"{name}>=2")
    known = {item for item, _, _ in present}
    if name in known:
        assert changed == text
        return
    differences = [line for line in difflib.ndiff(text.splitlines(), changed.splitlines()) if line[0] in "+-"]
    added = [line[2:] for line in differences if line[0] == "+"]
    removed = [line[2:] for line in differences if line[0] == "-"]
    assert f'    "{name}>=2",' in added
    # At most the former last item's missing comma.
    assert len(added) == len(removed) + 1 <= 2
    assert all(line.replace('"', '",', 2).replace('",', '"', 1) in added or line in added for line in removed)
    assert set(tomlkit.parse(changed)["project"]["dependencies"]) == {f"{item}>=1" for item in known} | {f"{name}>=2"}
    assert add_dependency(changed, f"{name}>=2") == changed
