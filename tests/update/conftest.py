"""One small template and one project of it, made once and copied for each test that changes the project."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.companion import Files, Template, numbered

OLD: Files = {
    "README.md.jinja": "# {{ name }}\n",
    ".gitignore": "/local/\n",
    "settings.txt": numbered("setting"),
    "app.py": numbered("line"),
    "gone.txt": numbered("gone"),
    "renamed.txt": numbered("renamed"),
    "logo.png": b"\0\1\2",
    "run.sh": "#!/bin/sh\n",
    "deep/er/file.txt": numbered("deep"),
    "{% if include_extra %}extra{% endif %}/one.txt": numbered("one"),
    "{% if include_extra %}extra{% endif %}/two.txt": numbered("two"),
}
NEW: Files = {
    "settings.txt": numbered("setting").replace("setting 5\n", "setting five\n"),
    "app.py": numbered("line").replace("line 20\n", "line twenty\n"),
    "gone.txt": None,
    "renamed.txt": None,
    "moved/renamed.txt": numbered("renamed").replace("renamed 25\n", "renamed 25, at its new place\n"),
    "logo.png": b"\0\1\3",
    "added.txt": "added\n",
    "deep/er/file.txt": numbered("deep").replace("deep 3\n", "deep three\n"),
}
CHANGED = {"settings.txt": "setting five\n", "app.py": "line twenty\n", "deep/er/file.txt": "deep three\n"}


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A template of ten files, released as 1.0.0 and 1.1.0. Tests only read it."""
    template = Template.start(
        tmp_path_factory.mktemp("small") / "template", dict(OLD), include_extra={"type": "bool", "default": True}
    )
    template.release(
        "1.1.0", dict(NEW), "### Security\n\n- A hole.\n\n### Migration\n\n- Do it.", color={"type": "str", "default": "red"}
    )
    return template


@pytest.fixture(scope="session")
def generated(small: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of 1.0.0. Tests only read it."""
    return small.project(tmp_path_factory.mktemp("generated") / "project", "--to", "1.0.0")


@pytest.fixture(scope="session")
def fresh(small: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of 1.1.0. Tests only read it."""
    return small.project(tmp_path_factory.mktemp("fresh") / "project", "--to", "1.1.0")


@pytest.fixture
def project(generated: Path, tmp_path: Path) -> Path:
    """A project of 1.0.0 of the test's own."""
    return Path(shutil.copytree(generated, tmp_path / "project", symlinks=True))


@pytest.fixture
def template_of(tmp_path: Path) -> Callable[..., Template]:
    """Return a new template of some files, released as 1.0.0."""
    return lambda files, **settings: Template.start(tmp_path / "template", files, **settings)
