"""One line is added to a Python file, and every other byte stays as it was written."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.rendering import TEMPLATE

from migrations.edit_python import add_import, add_statement, add_to_list
from migrations.model import MigrationError

SOURCES = sorted((TEMPLATE / "backend").rglob("*.py"))
MODULE = '''\
# -*- a header -*-
"""A module."""
import os   # odd spacing
from  a import ( b ,
   c )


ORDER: list[str] = [
    "one",  # first
    "two",
]
PAIR = ("x", 'y')


def create( ) :
    app = make()   # here

    # last
    return app


def empty(): pass
'''


def test_an_import_goes_below_the_others() -> None:
    changed = add_import(MODULE, "from app.sentry import install")
    assert changed == MODULE.replace("   c )\n", "   c )\nfrom app.sentry import install\n")
    assert add_import(changed, "from app.sentry import install") == changed
    assert add_import('"""Doc."""\n\nx = 1\n', "import os") == '"""Doc."""\n\nimport os\n\nx = 1\n'
    assert add_import("", "import os") == "import os\n"


def test_a_statement_goes_before_the_return_or_below_another() -> None:
    changed = add_statement(MODULE, "install(app)", function="create")
    assert changed == MODULE.replace("# here\n", "# here\n    install(app)\n")
    assert add_statement(MODULE, "install(app)", function="create", after="app = make()") == changed
    assert add_statement(changed, "install(app)", function="create") == changed
    assert add_statement("x = 1\n", "y = 2") == "x = 1\ny = 2\n"


def test_an_item_goes_to_the_end_of_its_list() -> None:
    assert add_to_list(MODULE, "ORDER", '"three"') == MODULE.replace('    "two",\n', '    "two",\n    "three",\n')
    assert add_to_list(MODULE, "PAIR", '"z"') == MODULE.replace("'y')", "'y', \"z\")")
    assert add_to_list(MODULE, "ORDER", '"two"') == MODULE
    assert add_to_list("A = []\n", "A", "1") == "A = [1]\n"
    assert add_to_list("A = ()\n", "A", "1") == "A = (1,)\n"
    assert add_to_list("A = [\n    1,\n]\n", "A", "2") == "A = [\n    1,\n    2,\n]\n"
    assert add_to_list("A = [\n    1\n]\n", "A", "2") == "A = [\n    1,\n    2\n]\n"
    assert add_to_list("A = [\n    1  # x\n]\n", "A", "2") == "A = [\n    1,  # x\n    2\n]\n"
    assert add_to_list("A = [\n    1,  # x\n]\n", "A", "2") == "A = [\n    1,  # x\n    2,\n]\n"
    assert add_to_list("A = [  # all\n    1,\n]\n", "A", "2") == "A = [  # all\n    1,\n    2,\n]\n"
    assert add_to_list("A = (\n    1,\n)\n", "A", "2") == "A = (\n    1,\n    2,\n)\n"


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(MigrationError, match=r"no function gone.*by hand"):
        add_statement(MODULE, "x()", function="gone")
    with pytest.raises(MigrationError, match="no line 'gone"):
        add_statement(MODULE, "x()", function="create", after="gone()")
    with pytest.raises(MigrationError, match="one line"):
        add_statement(MODULE, "x()", function="empty")
    with pytest.raises(MigrationError, match="no list GONE"):
        add_to_list(MODULE, "GONE", "1")


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(SOURCES), st.sampled_from(["    ", "\t"]), st.sampled_from(["\n", "\r\n"]))
def test_every_other_byte_of_a_real_file_stays(source: Path, indent: str, newline: str) -> None:
    text = source.read_text(encoding="utf-8")
    if indent == "\t":
        text = "\n".join(line.replace("    ", "\t") if '"' not in line else line for line in text.split("\n"))
        try:
            compile(text, source.name, "exec")
        except SyntaxError:  # a continued line that was not indented by fours
            return
    text = text.replace("\n", newline)
    changed = add_import(text, "import added_by_a_release")
    assert changed.count(newline) == changed.count("\n")
    lines = changed.split(newline)
    at = lines.index("import added_by_a_release")
    assert text in (
        newline.join(lines[:at] + lines[at + 1 :]),
        newline.join(lines[: at - 1] + lines[at + 1 :]),  # with the blank line below a docstring
    )
