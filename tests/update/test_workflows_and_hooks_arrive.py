"""Projects from before 1.2.0 get its workflows and hooks by one command, and what a team has by those names stays."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.version import Version
from support import teamwork
from support.engines import ENGINES, address_of, each_release_and_engine, point
from support.releases import History, commit_all, start_repository
from support.teamwork import whole

from migrations.v1_2_0 import COMMON

Generate = Callable[..., Path]
#: A release before 1.2.0 by an engine. The newest of all releases is 1.2.0 itself one day: then `make verify` runs them.
EARLIER = [given for given in each_release_and_engine("evergreen") if Version(given.values[0]) < Version("1.2.0")]
FEATURES = ("include_github_actions", "include_secret_detection")
OFF = dict.fromkeys(FEATURES, False)
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

    def copy(like: Path, **answers: bool) -> Path:
        made = Path(shutil.copytree(generated_by(released.next, **answers), tmp_path / "fresh", symlinks=True))
        point(made, address_of(like))
        return made

    return copy


def different(found: dict[str, bytes], wanted: dict[str, bytes]) -> set[str]:
    """Name the files that differ."""
    return {path for path in found.keys() | wanted.keys() if found.get(path) != wanted.get(path)}


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
    new = fresh(old)
    for folder in (old, new):
        teamwork.replace(folder)
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
    new = fresh(old, **OFF)
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
