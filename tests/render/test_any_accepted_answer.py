"""Whatever passes the validators generates files that read back as the very same answer, in every format."""

import ast
import json
import tomllib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from answers import (
    DESCRIPTION_LENGTH,
    NAME_LENGTH,
    SYNTAX,
    author_name_error,
    project_description_error,
    project_name_error,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.rendering import copy_template, render

EXAMPLES = 30
#: Mostly what breaks formats, and now and then any character there is.
HARD_CHARACTERS = st.one_of(
    st.sampled_from("\"'#%&:;,.!?*-_=@|/()[]~^+ aZ9äß漢🚀"),
    st.characters(exclude_categories=["C", "Z"], exclude_characters=SYNTAX),
)


def accepted(check: Callable[[str], str], longest: int) -> st.SearchStrategy[str]:
    return st.text(HARD_CHARACTERS, min_size=1, max_size=longest).filter(lambda text: check(text) == "")


class TitleReader(HTMLParser):
    """Collects the text of the `<title>` element."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self._inside = False

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the parser's signature
        self._inside = tag == "title"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.title += data
            self._inside = False


@pytest.fixture(scope="module")
def answer_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template without the files that no answer changes, so that one render takes a fraction of a second."""
    template = copy_template(tmp_path_factory.mktemp("template"))
    for path in (template / "template").rglob("*"):
        if path.is_file() and path.suffix != ".jinja":
            path.unlink()
    return template


@pytest.mark.requirement("NFR-002")
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example costs a render: shrinking one takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    project_name=accepted(project_name_error, NAME_LENGTH),
    description=accepted(project_description_error, DESCRIPTION_LENGTH),
    author=accepted(author_name_error, NAME_LENGTH),
)
def test_it_reads_back_unchanged(
    answer_files: Path, tmp_path_factory: pytest.TempPathFactory, project_name: str, description: str, author: str
) -> None:
    project = render(
        answer_files,
        tmp_path_factory.mktemp("project"),
        project_name=project_name,
        project_description=description,
        author_name=author,
        project_slug="acme-orders",
        license="MIT",
    )
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert (answers["project_name"], answers["project_description"]) == (project_name, description)

    metadata = tomllib.loads((project / "backend/pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata["description"] == description
    assert metadata["authors"][0]["name"] == author

    strings = [
        node.value
        for node in ast.walk(ast.parse((project / "backend/app/project.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    ]
    assert project_name in strings

    package = json.loads((project / "frontend/package.json").read_text(encoding="utf-8"))
    assert package["name"].startswith("acme-orders")

    reader = TitleReader()
    reader.feed((project / "frontend/index.html").read_text(encoding="utf-8"))
    assert reader.title == project_name

    assert f"Copyright (c) {author}" in (project / "LICENSE").read_text(encoding="utf-8")
    for path in project.rglob("*.yml"):
        list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
