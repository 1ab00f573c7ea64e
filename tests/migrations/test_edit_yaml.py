"""A key is added to a YAML file or changed in it, and every other line stays as it was written."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from migrations.edit_yaml import set_key
from migrations.model import MigrationError

COMPOSE = """\
# Ours.
services:
    api:   # four spaces
        image:  "api:1"   # pinned
        ports: [ "8000:8000" ]
        command:
        - run
        - --fast

    db:
      image: 'it''s # not a comment'

volumes: {}
"""


def test_a_value_changes_in_its_place() -> None:
    assert set_key(COMPOSE, ["services", "api", "image"], "api:2") == COMPOSE.replace('"api:1"   #', "api:2   #")
    assert set_key(COMPOSE, ["services", "db", "image"], 17) == COMPOSE.replace("'it''s # not a comment'", "17")
    assert set_key(COMPOSE, ["services", "api", "command", 1], "--slow") == COMPOSE.replace("--fast", "--slow")


def test_a_key_is_added_below_the_last_of_its_mapping() -> None:
    assert set_key(COMPOSE, ["services", "api", "restart"], "always") == COMPOSE.replace(
        "- --fast\n", "- --fast\n        restart: always\n"
    )
    added = {"image": "redis:8", "ports": ["6379:6379"]}
    block = '    redis:\n      image: redis:8\n      ports:\n        - "6379:6379"\n'
    expected = COMPOSE.replace("not a comment'\n", "not a comment'\n" + block)
    assert set_key(COMPOSE, ["services", "redis"], added) == expected
    assert set_key("a: 1", ["b"], 2) == "a: 1\nb: 2\n"


def test_what_is_there_stays() -> None:
    assert set_key(COMPOSE, ["services", "api", "image"], "api:1") == COMPOSE


@pytest.mark.parametrize(
    ("text", "path", "fact"),
    [
        ("a: {b: 1}\n", ["a", "b"], "block form"),
        ("a: 1\n", ["b", "c"], "b is not in the file"),
        ("a:\n  - 1\n", ["a"], "more than a scalar"),
        ("a: |\n  one\n  two\n", ["a"], "another line"),
    ],
)
def test_what_cannot_be_done_in_place_is_refused(text: str, path: list[str], fact: str) -> None:
    with pytest.raises(MigrationError, match=fact):
        set_key(text, path, 5)


keys = st.from_regex(r"[a-z]{1,5}", fullmatch=True)
scalars = st.one_of(st.booleans(), st.integers(-5, 5), st.text("ab:# '\"\\-1\n\u2028é", max_size=12), st.none())
documents = st.recursive(scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)))
mappings = st.dictionaries(keys, documents, min_size=1, max_size=5)


@settings(deadline=None, max_examples=60)
@given(mappings, st.data(), st.sampled_from([2, 4]), st.booleans())
def test_only_one_line_changes(document: dict[str, Any], data: st.DataObject, indent: int, flow: bool) -> None:
    text = yaml.safe_dump(
        document, indent=indent, default_flow_style=None if flow else False, sort_keys=False, allow_unicode=True
    )
    lines = [f"{line}   # why" if not set(line) & set("'\"|>[{\\") and line.endswith(":") else line for line in text.split("\n")]
    text = "\n".join(lines)
    path: list[str] = []
    node: Any = document
    while isinstance(node, dict) and node and (not path or data.draw(st.booleans())):
        path.append(data.draw(st.sampled_from(sorted(node))))
        node = node[path[-1]]
    if data.draw(st.booleans()):
        path[-1] = "added"
    value = data.draw(st.one_of(st.integers(), st.sampled_from(["word", "two words", "a: b", "# no", "yes", "1"])))
    try:
        changed = set_key(text, path, value)
    except MigrationError:
        return  # refused, with nothing changed
    expected: Any = yaml.safe_load(text)
    inner = expected
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert yaml.safe_load(changed) == expected
    before, after = text.split("\n"), changed.split("\n")
    if path[-1] == "added":
        assert any(after[:at] + after[at + 1 :] == before for at in range(len(after)))
    else:
        assert len(before) == len(after)
        assert sum(old != new for old, new in zip(before, after, strict=True)) <= 1
    assert set_key(changed, path, value) == changed


def test_most_changes_are_not_refused() -> None:
    """The property above holds for refusals, too; so the usual files are tried one by one."""
    text = yaml.safe_dump({"on": {"push": None}, "jobs": {"a": {"steps": [{"run": "x"}, {"run": "y"}], "timeout-minutes": 5}}})
    changes: list[tuple[list[str | int], object]] = [
        (["jobs", "a", "timeout-minutes"], 10),
        (["jobs", "a", "runs-on"], "ubuntu-latest"),
        (["jobs", "a", "steps", 1, "run"], "z"),
        (["permissions"], {"contents": "read"}),
    ]
    for path, value in changes:
        text = set_key(text, path, value)
    assert yaml.safe_load(text)["jobs"]["a"] == {
        "steps": [{"run": "x"}, {"run": "z"}],
        "timeout-minutes": 10,
        "runs-on": "ubuntu-latest",
    }
