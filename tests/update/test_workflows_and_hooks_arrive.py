"""Projects from before 1.2.0 get its workflows and hooks by one command, and what a team has by those names stays."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.version import Version
from support import teamwork
from support.engines import ENGINES, address_of, each_release_and_engine, point
from support.releases import History, commit_all, release, start_repository
from support.teamwork import whole

from migrations.v1_2_0 import COMMON

Generate = Callable[..., Path]
#: A release before 1.2.0 by an engine. The newest of all releases is 1.2.0 itself one day: then `make verify` runs them.
EARLIER = [given for given in each_release_and_engine("evergreen") if Version(given.values[0]) < Version("1.2.0")]
FEATURES = ("include_github_actions", "include_secret_detection")
OFF = dict.fromkeys(FEATURES, False)
KEPT = list(COMMON)
#: Came with 1.1.0; teams run it on a day of their own.
#: What of `.github` and of the hooks stands in a project in which both are off.
NAMES = (".github/", ".gitleaks.toml", ".pre-commit-config.yaml", ".secrets.baseline", "scripts/ci/", "compose.images.yml")


@pytest.fixture
def project(generated_by: Generate, tmp_path: Path) -> Generate:
    """Return a project of some release for a test to change."""
    return lambda version, **answers: start_repository(
        Path(shutil.copytree(generated_by(version, **answers), tmp_path / f"of {version}", symlinks=True))
    )


@pytest.fixture
def fresh(generated_by: Generate, released: History, tmp_path: Path) -> Generate:
    """Return a new project of the working tree, with the template where another project has it."""

    def copy(like: Path, **answers: bool | list[str]) -> Path:
        made = Path(shutil.copytree(generated_by(released.next, **answers), tmp_path / "fresh", symlinks=True))
        point(made, address_of(like))
        return made

    return copy


def different(found: dict[str, bytes], wanted: dict[str, bytes]) -> set[str]:
    """Name the files that differ."""
    return {path for path in found.keys() | wanted.keys() if found.get(path) != wanted.get(path)}


def untouched(project: Path) -> bool:
    """Say whether the files of `own` are what they were."""
    return all((project / name).read_text() == f"# {name} of the team\n" for name in COMMON)


def own(project: Path) -> None:
    """Give a project files of the team's by the names of the release's."""
    for name in COMMON:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(f"# {name} of the team\n")


@pytest.mark.parametrize("has_own", [False, True], ids=["without workflows", "with its own"])
@pytest.mark.parametrize(("version", "engine"), EARLIER)
def test_an_edited_project_gets_them_without_conflict(
    version: str, engine: str, has_own: bool, project: Generate, fresh: Generate
) -> None:
    old = project(version)
    new = fresh(old, **({"kept_files": KEPT} if has_own else {}))
    for folder in (new, old):
        teamwork.replace(folder, had=old)
        if has_own:
            own(folder)
    commit_all(old, "Work")

    assert ENGINES[engine](old) == 0

    assert different(whole(old), whole(new)) == set()


@pytest.mark.parametrize(("version", "engine"), EARLIER)
def test_switched_off_nothing_of_them_arrives_and_the_teams_own_stays(
    version: str, engine: str, project: Generate, fresh: Generate
) -> None:
    old = project(version)
    new = fresh(old, **OFF, kept_files=KEPT)
    assert [name for name in whole(new) if name.startswith(NAMES)] == []
    for folder in (old, new):
        own(folder)
    commit_all(old, "Work")

    assert ENGINES[engine](old, **dict.fromkeys(FEATURES, "no")) == 0

    assert different(whole(old), whole(new)) == set()


@pytest.mark.parametrize("engine", [pytest.param("evergreen"), pytest.param("copier", marks=pytest.mark.verify)])
def test_switched_on_later_equals_chosen_at_first(engine: str, released: History, project: Generate, fresh: Generate) -> None:
    old = project(released.next, **OFF)

    assert ENGINES[engine](old, **dict.fromkeys(FEATURES, "yes")) == 0

    assert different(whole(old), whole(fresh(old))) == set()


@pytest.mark.parametrize("engine", [pytest.param("evergreen"), pytest.param("copier", marks=pytest.mark.verify)])
def test_no_later_release_and_no_switch_touches_what_is_the_teams(
    engine: str, released: History, project: Generate, tmp_path: Path
) -> None:
    old = project(released.next, kept_files=KEPT)
    own(old)
    commit_all(old, "Work")
    template = Path(shutil.copytree(released.folder, tmp_path / "template", symlinks=True))
    point(old, str(template))
    commit_all(old, "The template has moved")
    for name in COMMON:
        with (template / "template" / name).open("a") as file:
            file.write("# A release later.\n")
    release(template, "99.0.0")

    for answers in ({}, dict.fromkeys(FEATURES, "no"), dict.fromkeys(FEATURES, "yes")):
        assert ENGINES[engine](old, **answers) == 0
        assert untouched(old)
        assert (old / "make/github_actions.mk").exists() == ("no" not in answers.values())
        commit_all(old, "Update")


def test_the_templates_can_be_taken_over_later(released: History, project: Generate, fresh: Generate) -> None:
    old = project(released.next, kept_files=KEPT)
    assert [name for name in COMMON if (old / name).exists()] == []

    assert ENGINES["evergreen"](old, kept_files="[]") == 0

    assert different(whole(old), whole(fresh(old))) == set()


@pytest.mark.verify
def test_a_file_written_while_its_feature_was_off_is_kept_if_it_is_named(released: History, project: Generate) -> None:
    old = project(released.next, **OFF)
    own(old)
    commit_all(old, "Work")

    assert ENGINES["evergreen"](old, **dict.fromkeys(FEATURES, "yes"), kept_files=f"[{','.join(COMMON)}]") == 0

    assert untouched(old)
