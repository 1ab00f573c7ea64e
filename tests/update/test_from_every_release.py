"""A project of every earlier release takes the present state of the template, by plain Copier and by the companion.

The newest release is tried in every run, by the companion; the earlier ones, being as many as there will be, and plain Copier
only by `make verify`. Each test has the template at another kind of address: a relative path, a server's URL, a file's, a path.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import team_edits, teamwork
from support.engines import ENGINES, address_of, each_release_and_engine, point
from support.git_server import serve
from support.releases import History, commit_all, git, start_repository, unsupported_releases
from support.teamwork import history_of, whole

Generate = Callable[..., Path]


def copy_of(project: Path, folder: Path, address: str) -> Path:
    """Copy a project, and say where its template is."""
    shutil.copytree(project, folder, symlinks=True)
    point(folder, address)
    return folder


def different(found: dict[str, bytes], wanted: dict[str, bytes]) -> set[str]:
    """Name the files that differ: whole trees would be a long message."""
    return {path for path in found.keys() | wanted.keys() if found.get(path) != wanted.get(path)}


@pytest.fixture(scope="module")
def server(released: History) -> Iterator[str]:
    with serve(released.folder) as address:
        yield address


@pytest.fixture(scope="module")
def present(released: History, generated_by: Generate) -> Generate:
    """Return a new project of the working tree, for a test to change, with the template where another project has it."""

    def copy(folder: Path, like: Path, **answers: bool) -> Path:
        return copy_of(generated_by(released.next, **answers), folder, address_of(like))

    return copy


@pytest.mark.parametrize(("version", "engine"), each_release_and_engine("evergreen"))
def test_a_project_without_edits_becomes_a_fresh_render_and_its_history_stays(
    version: str, engine: str, released: History, generated_by: Generate, present: Generate, *, tmp_path: Path
) -> None:
    """From a relative path; and the next update changes nothing."""
    (tmp_path / released.folder.name).symlink_to(released.folder)
    project = start_repository(copy_of(generated_by(version), tmp_path / "project", f"../{released.folder.name}"))
    (project / ".git/description").write_text("ours\n")
    before = history_of(project)

    assert ENGINES[engine](project) == 0

    assert different(whole(project), whole(present(tmp_path / "fresh", project))) == set()
    assert history_of(project) == before
    assert (project / ".git/description").read_text() == "ours\n"
    subprocess.run(["git", "fsck", "--strict", "--no-dangling"], cwd=project, check=True, capture_output=True)
    commit_all(project, "Update")
    assert ENGINES[engine](project) == 0
    assert git(project, "status", "--porcelain") == ""


@pytest.fixture(scope="module")
def worked(generated_by: Generate, server: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Return the project of a release after a year's work, new packages among it. Tests only read it."""
    projects: dict[tuple[str, str], Path] = {}

    def project(version: str, packages: str) -> Path:
        key = version, packages
        if key not in projects:
            made = copy_of(generated_by(version), tmp_path_factory.mktemp("worked") / "project", server)
            start_repository(made)
            teamwork.replace(made)
            {"offline": teamwork.install_offline, "from the registries": teamwork.install}[packages](made)
            teamwork.rearrange(made)
            commit_all(made, "A year's work")
            projects[key] = made
        return projects[key]

    return project


def with_packages() -> list[object]:
    """Return the same parameters with where packages come from: the registries, but for the run without `make verify`."""
    every = [given.values for given in each_release_and_engine()]
    quick = [given.values for given in each_release_and_engine("evergreen") if not given.marks]
    return [
        *(pytest.param(*given, "offline") for given in quick),
        *(pytest.param(*given, "from the registries", marks=pytest.mark.verify) for given in every),
    ]


@pytest.mark.parametrize(("version", "engine", "packages"), with_packages())
def test_a_year_of_edits_stays(
    version: str, engine: str, packages: str, worked: Callable[[str, str], Path], present: Generate, *, tmp_path: Path
) -> None:
    """From a URL, in a project that was moved to another folder."""
    before_moving = worked(version, packages)
    project = Path(shutil.copytree(before_moving, tmp_path / "moved" / "to another folder", symlinks=True))
    expected = present(tmp_path / "expected", project)
    replaced = {name: (expected / name).read_bytes() for name in team_edits.BINARY}
    teamwork.replace(expected, had=project)
    teamwork.install_alike(expected, project)
    teamwork.rearrange(expected)
    before = history_of(project)

    assert ENGINES[engine](project) == 0

    wanted = whole(expected)
    if engine == "copier":
        # What the template changed in a file that the team has moved does not arrive, and a binary of the team's is gone.
        moved = {**team_edits.RENAMED, **team_edits.MOVED}.values()
        wanted |= {name: (before_moving / name).read_bytes() for name in moved} | replaced
    assert different(whole(project), wanted) == set()
    assert history_of(project) == before


@pytest.mark.parametrize(("version", "engine"), each_release_and_engine("evergreen"))
def test_a_feature_switched_off_takes_all_its_files_and_leaves_what_is_the_teams(
    version: str, engine: str, released: History, generated_by: Generate, present: Generate, *, tmp_path: Path
) -> None:
    """From a file's URL."""
    project = copy_of(generated_by(version), tmp_path / "project", f"git+file://{released.folder}")
    start_repository(project)
    teamwork.replace(project, only=team_edits.FEATURE)
    edited = sorted(name for name in team_edits.EDITS if name.startswith(team_edits.FEATURE))
    own = project / "backend/app/features/observability/ours.py"
    own.write_text("# Ours.\n")
    commit_all(project, "Work")
    texts = {name: (project / name).read_bytes() for name in edited}

    assert ENGINES[engine](project, include_observability="no") == 0

    found = whole(project)
    assert found.pop(own.relative_to(project).as_posix()) == b"# Ours.\n"
    assert different(found, whole(present(tmp_path / "fresh", project, include_observability=False))) == set()
    assert edited
    for name in edited:
        assert git(project, "show", f"HEAD:{name}").encode() == texts[name].strip()
        kept = project / ".evergreen" / released.next / "yours" / name
        assert kept.exists() == (engine == "evergreen")  # plain Copier says nothing, and keeps nothing
        assert engine == "copier" or kept.read_bytes() == texts[name]


@pytest.mark.verify
@pytest.mark.parametrize(("version", "engine"), each_release_and_engine("evergreen"))
def test_a_feature_switched_on_brings_all_its_files(
    version: str, engine: str, generated_by: Generate, present: Generate, tmp_path: Path
) -> None:
    """From a full path, in a project with edits elsewhere."""
    project = Path(shutil.copytree(generated_by(version, include_observability=False), tmp_path / "project"))
    start_repository(project)
    expected = present(tmp_path / "expected", project)
    for folder in (project, expected):
        teamwork.replace(folder, without=team_edits.FEATURE, had=project)
    commit_all(project, "Work")

    assert ENGINES[engine](project, include_observability="yes") == 0

    assert different(whole(project), whole(expected)) == set()


@pytest.mark.verify
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("version", unsupported_releases())
def test_a_release_that_promised_no_updates(
    version: str, engine: str, generated_by: Generate, present: Generate, tmp_path: Path
) -> None:
    """Its files become the present ones, so that the machinery stands on its history, too.

    What it does not do is bring a database along: the migrations that 0.9.0 had applied are not those of 1.0.0.
    """
    project = start_repository(Path(shutil.copytree(generated_by(version), tmp_path / "project")))
    assert ENGINES[engine](project) == 0
    assert different(whole(project), whole(present(tmp_path / "fresh", project))) == set()
