"""The reference of environment variables names every setting of the code, with its default, and no other."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.combinations import features
from support.markdown import table_rows

PAGE = "docs/reference/configuration.md"
BASE = "EnvironmentSettings"
#: Tables below these headings list what other programs read (Make, Compose, the tests), not the settings classes.
OTHER_HEADINGS = {"Development and tests"}


@dataclass(frozen=True)
class Setting:
    """One field of a settings class."""

    name: str
    owner: str
    default: ast.expr | None


def classes(folder: Path) -> list[ast.ClassDef]:
    """Return every class below a folder, read from the source: nothing needs to be installed."""
    return [
        node
        for path in sorted(folder.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]


def bases(node: ast.ClassDef) -> set[str]:
    """Return the names of a class's bases."""
    return {ast.unparse(base) for base in node.bases}


def settings_classes(app: Path) -> set[str]:
    """Return the names of all classes of settings: the base and whatever descends from it."""
    known, found = {BASE}, set[str]()
    while known != found:
        found = known
        known = found | {node.name for node in classes(app) if bases(node) & found}
    return found


def settings_of(project: Path, part: str) -> Iterator[Setting]:
    """Yield the fields of every class of settings in a folder of the application."""
    app = project / "backend" / "app"
    names = settings_classes(app)
    for node in classes(app / part):
        for field in node.body if node.name in names else ():
            if isinstance(field, ast.AnnAssign) and "ClassVar" not in ast.unparse(field.annotation):
                assert isinstance(field.target, ast.Name)
                yield Setting(field.target.id.upper(), node.name, field.value)


def literal_default(value: ast.expr | None) -> str | None:
    """Return a default as it would be written in the environment, or None where the code computes it."""
    match value:
        case ast.Call(func=ast.Name(id="Field" | "SecretStr"), args=[first, *_]):
            return literal_default(first)
        case ast.Constant(value=None) | None:
            return ""
        case ast.Constant(value=bool() as flag):
            return str(flag).lower()
        case ast.Constant(value=content):
            return str(content)
        case ast.List(elts=elements) if all(isinstance(element, ast.Constant) for element in elements):
            return ",".join(str(ast.literal_eval(element)) for element in elements)
        case _:
            return None


def documented(page: Path) -> dict[str, str]:
    """Return the variables that a page's tables list, with the default that they state."""
    return {
        cells[0]: cells[2]
        for heading, cells in table_rows(page)
        if heading not in OTHER_HEADINGS and len(cells) == 4 and cells[0].isupper()
    }


@pytest.fixture(scope="module")
def project(rendered: Callable[..., Path]) -> Path:
    """Return a project with every feature."""
    return rendered(**dict.fromkeys(features(), True))


def base_settings(project: Path) -> list[Setting]:
    """Return the settings of everything but the features."""
    return [setting for part in ("core", "identity", "tenancy", "modules") for setting in settings_of(project, part)]


def test_the_reference_names_the_settings_of_the_code(project: Path) -> None:
    code = {setting.name for setting in base_settings(project)}
    assert len(code) > 30
    assert set(documented(project / PAGE)) == code


def test_the_reference_states_the_defaults_of_the_code(project: Path) -> None:
    stated = documented(project / PAGE)
    wrong = {
        setting.name: (stated.get(setting.name), default)
        for setting in base_settings(project)
        if (default := literal_default(setting.default)) is not None and stated.get(setting.name) != default
    }
    assert wrong == {}


@pytest.mark.parametrize("feature", [name.removeprefix("include_") for name in features()])
def test_a_features_page_names_its_settings(project: Path, feature: str) -> None:
    code = {setting.name for setting in settings_of(project, f"features/{feature}")}
    assert code <= set(documented(project / "docs" / "features" / f"{feature}.md"))


def test_the_example_of_an_environment_names_documented_variables_only(project: Path) -> None:
    pages = [project / PAGE, *(project / "docs" / "features").glob("*.md")]
    known = {cells[0] for page in pages for _, cells in table_rows(page) if len(cells) == 4}
    lines = (project / ".env.example").read_text(encoding="utf-8").splitlines()
    named = {match[1] for line in lines if (match := re.match(r"(?:# ?)?([A-Z][A-Z0-9_]*)=", line))}
    assert len(named) > 30
    assert named - known == set()


def test_the_example_of_an_environment_names_every_setting_of_the_base(project: Path) -> None:
    text = (project / ".env.example").read_text(encoding="utf-8")
    assert [setting.name for setting in base_settings(project) if not re.search(rf"^(# )?{setting.name}=", text, re.M)] == []
