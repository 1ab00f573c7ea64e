"""The releases' modules: which an update crosses, what several of them come to, and that Copier knows each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.version import Version
from support.rendering import REPOSITORY

from migrations.catalogue import crossed, load, plan, versions
from migrations.model import Migration, MigrationError

FOLDER = REPOSITORY / "migrations"


def test_every_module_is_registered_and_loads() -> None:
    """`copier update` runs what copier.yml names, and nothing else."""
    registered = yaml.safe_load((FOLDER / "registered.yml").read_text())["_migrations"]
    assert [Version(entry["version"]) for entry in registered] == versions(FOLDER)
    for entry in registered:
        load(Version(entry["version"]), FOLDER)
        assert "_stage" in entry["when"]


def test_copier_reads_the_registration() -> None:
    assert "!include migrations/registered.yml" in (REPOSITORY / "copier.yml").read_text()


def test_an_update_crosses_the_releases_after_the_old_up_to_the_new(tmp_path: Path) -> None:
    for name in ("v1_1_0", "v1_2_0", "v1_10_0", "v2_0_0", "vocabulary"):
        (tmp_path / f"{name}.py").write_text("")
    found = crossed(Version("1.1.0"), Version("1.10.0"), tmp_path)
    assert [str(version) for version in found] == ["1.2.0", "1.10.0"]


def test_a_module_without_a_declaration_is_named(tmp_path: Path) -> None:
    (tmp_path / "v1_1_0.py").write_text("MIGRATION = {}\n")
    with pytest.raises(MigrationError, match=r"v1_1_0\.py defines no MIGRATION"):
        load(Version("1.1.0"), tmp_path)
    with pytest.raises(MigrationError, match=r"no migration v1_2_0\.py"):
        load(Version("1.2.0"), tmp_path)


def test_several_releases_come_to_one_plan() -> None:
    first = Migration(
        moved={"a": "b", "x": ("y", "z"), "old/": "mid/", "gone": "soon"},
        removed=("r",),
        answers={"name": "title"},
        choices={"title": {"one": "two"}},
    )
    second = Migration(
        moved={"b": "c", "mid/": "new/", "mid/f": "f"},
        removed=("y", "soon"),
        answers={"title": "label"},
        choices={"label": {"two": "three"}},
    )
    together = plan([first, second])
    assert together.moved == {
        "a": ("c",),
        "b": ("c",),
        "mid/": ("new/",),
        "mid/f": ("f",),
        "old/": ("new/",),
        "old/f": ("f",),
    } | {"x": ("z",)}
    assert set(together.removed) == {"r", "gone", "y", "soon"}
    assert together.answers == {"name": "label", "title": "label"}
    assert together.choices == {"label": {"one": "three", "two": "three"}}


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_plan_is_printed(tmp_path: Path) -> None:
    result = run("plan", "--from", "0.9.0", "--to", "0.9.0", folder=tmp_path)
    assert json.loads(result.stdout)["versions"] == []


def test_a_mistake_shows_no_traceback(tmp_path: Path) -> None:
    result = run("before", "--version", "0.0.1", folder=tmp_path)
    assert result.returncode == 1
    assert result.stderr == "evergreen: There is no migration v0_0_1.py: the template's release 0.0.1 is registered without it.\n"
