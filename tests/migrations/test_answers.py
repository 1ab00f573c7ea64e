"""An answer outlives the renaming of its question, and a choice that is gone is replaced as the release says."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_template import SmallTemplate, update

from migrations.answers import rename, replace

QUESTIONS = {
    "database": {"type": "str", "choices": ["postgres", "mysql", "sqlite"], "default": "postgres"},
    "name": {"type": "str", "default": "Acme"},
}
FILES: dict[str, str | None] = {"about.txt.jinja": "{{ name }} on {{ database }}\n"}


@pytest.fixture
def template(tmp_path: Path) -> SmallTemplate:
    return SmallTemplate.start(tmp_path / "template", FILES, **QUESTIONS)


def test_answers_are_carried_over(template: SmallTemplate, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    project = template.generate(tmp_path / "project", database="mysql", name="Our shop: 24/7")
    template.release(
        "1.1.0",
        "answers={'name': 'title'}, choices={'database': {'mysql': 'mariadb'}}",
        {"about.txt.jinja": "{{ title }} on {{ database }}\n"},
        name=None,
        title={"type": "str", "default": "Untitled"},
        database={"type": "str", "choices": ["postgres", "mariadb", "sqlite"], "default": "postgres"},
    )
    update(project)
    assert (project / "about.txt").read_text() == "Our shop: 24/7 on mariadb\n"
    output = capfd.readouterr().out
    assert "The answer name is called title now." in output
    assert "The answer database was 'mysql', which is gone; it is 'mariadb' now." in output


def test_two_releases_at_once(template: SmallTemplate, tmp_path: Path) -> None:
    project = template.generate(tmp_path / "project", name="Shop")
    template.release("1.1.0", "answers={'name': 'title'}", name=None, title={"type": "str", "default": "Untitled"})
    template.release(
        "1.2.0",
        "answers={'title': 'label'}",
        {"about.txt.jinja": "{{ label }}\n"},
        title=None,
        label={"type": "str", "default": "Untitled"},
    )
    update(project)
    assert (project / "about.txt").read_text() == "Shop\n"


def test_without_a_migration_the_answer_would_fall_back_to_the_default(template: SmallTemplate, tmp_path: Path) -> None:
    """Why the migration exists: this is what Copier does by itself."""
    project = template.generate(tmp_path / "project", database="mysql")
    template.release("1.1.0", database={"type": "str", "choices": ["postgres", "sqlite"], "default": "postgres"})
    update(project)
    assert (project / "about.txt").read_text() == "Acme on postgres\n"


scalars = st.one_of(st.booleans(), st.integers(), st.text(max_size=20))
answers = st.dictionaries(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), scalars, max_size=5)


@settings(deadline=None, max_examples=60)
@given(answers, scalars)
def test_every_other_answer_stays(others: dict[str, object], value: object) -> None:
    text = "# Changes here will be overwritten by Copier\n" + yaml.safe_dump({**others, "old": value}, allow_unicode=True)
    value = yaml.safe_load(text)["old"]  # PyYAML does not read every character back that it writes
    others = {name: answer for name, answer in yaml.safe_load(text).items() if name != "old"}
    renamed = rename(text, {"old": "new-name"})
    assert yaml.safe_load(renamed) == {**others, "new-name": value}
    assert rename(renamed, {"old": "new-name"}) == renamed
    replaced = replace(text, "old", {value: "another: one"})
    assert yaml.safe_load(replaced) == {**others, "old": "another: one"}
    assert replace(replaced, "old", {value: "another: one"}) == replaced
