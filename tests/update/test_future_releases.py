"""Releases that do not exist yet: the real template, changed in a clone so that teams would lose something without migrations.

They move files and a folder, split one, remove some, rename a question, take a choice away, bring features that are on and off,
change a file of the team's, and what the team has changed. Projects come from every release, the working tree among them.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from check_release import compare
from packaging.version import Version
from rendering import check_out
from support import team_edits, teamwork
from support.engines import ENGINES, point
from support.future import PARTS, PLACES, REMOVED, SEAM, SPLIT, Future, future
from support.releases import History, commit_all, each_release, git, start_repository, supported_releases
from support.rendering import render
from support.teamwork import history_of, whole

from migrations import catalogue, edit_toml

CONFLICT = "Makefile"
ANSWERS = {"author_email": "team@example.com", "license": "BSD-3-Clause"}
CARRIED_OVER = {"contact_email": "team@example.com", "license": "MIT"}
#: Edits beside those of every project, in a file that is split and in one that is removed.
IN_PARTS = (
    ('"""The tenant that a request acts in."""', '"""Ours, in the first part."""'),
    ('"""Say that no request is running."""', '"""Ours, in the second part."""'),
)
GONE = REMOVED[0]
EDITED_GONE = ("interval = 30_000", "interval = 5_000")

NEWEST = each_release()[0]
EARLIER = [*(version for version in supported_releases() if version != NEWEST), ""]  # the last stands for the working tree


def from_each_release() -> list[object]:
    """Return parameters: from the newest release by the companion in every run, all the rest for `make verify`."""
    return [
        pytest.param(
            version,
            engine,
            marks=[] if version == NEWEST and engine == "evergreen" else pytest.mark.verify,
            id=f"{version or 'working tree'}-{engine}",
        )
        for version in (NEWEST, *EARLIER)
        for engine in ENGINES
    ]


@pytest.fixture(scope="module")
def ahead(released: History, tmp_path_factory: pytest.TempPathFactory) -> Future:
    """Tests only read it."""
    return future(released, tmp_path_factory.mktemp("future") / "template")


@pytest.fixture(scope="module")
def last(ahead: Future, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project of the last of these releases, with the answers as they are carried over. Tests only read it."""
    return render(ahead.folder, tmp_path_factory.mktemp("last") / "project", f"v{ahead.last}", **CARRIED_OVER)


@pytest.fixture
def project(
    request: pytest.FixtureRequest, generated_by: Callable[..., Path], released: History, ahead: Future, tmp_path: Path
) -> Path:
    """Return a project of the release that the test is given, committed."""
    generated = generated_by(request.param or released.next, **ANSWERS)
    copy = Path(shutil.copytree(generated, tmp_path / "project"))
    point(copy, str(ahead.folder))
    return start_repository(copy)


def substitute(path: Path, old: str, new: str) -> None:
    """Replace a text of a file."""
    text = path.read_text()
    assert old in text, f"{path} has no {old!r} any more"
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(("project", "engine"), from_each_release(), indirect=["project"])
def test_a_year_of_edits_outlives_two_releases(project: Path, engine: str, last: Path, tmp_path: Path) -> None:
    expected = Path(shutil.copytree(last, tmp_path / "expected"))
    teamwork.replace(project)
    teamwork.replace(expected, PLACES, without=(CONFLICT,), had=project)
    for edit, part in zip(IN_PARTS, PARTS, strict=True):
        substitute(project / SPLIT, *edit)
        substitute(expected / part, *edit)
    substitute(project / GONE, *EDITED_GONE)
    substitute(expected / "backend/pyproject.toml", *with_dependency(expected / "backend/pyproject.toml"))
    moved = {**team_edits.RENAMED, **team_edits.MOVED}
    before_moving = {new: (project / old).read_bytes() for old, new in moved.items()}
    templates = {name: (expected / name).read_bytes() for name in (*team_edits.BINARY, "local/notes.txt")}
    for folder in (project, expected):
        teamwork.rearrange(folder)
    commit_all(project, "A year's work")
    before, edited = history_of(project), (project / GONE).read_bytes()

    status = ENGINES[engine](project)

    wanted, found = whole(expected), whole(project)
    if engine == "copier":  # see tests/update/test_where_copier_falls_short.py
        wanted |= before_moving | templates
    assert {path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path)} == {CONFLICT}
    assert b"\n<<<<<<< " in found[CONFLICT]
    assert b"\nCOMPOSE ?= podman compose\n" in found[CONFLICT]
    assert f"UU {CONFLICT}" in git(project, "status", "--porcelain")
    assert status == (1 if engine == "evergreen" else 0)
    assert history_of(project) == before
    assert edited in kept(project).values()
    if engine == "evergreen":
        assert set(templates.values()) <= set(kept(project).values())


def with_dependency(path: Path) -> tuple[str, str]:
    """Return a file's text, and that with what the migration adds."""
    text = path.read_text()
    return text, edit_toml.add_dependency(text, "orjson>=3")


def kept(project: Path) -> dict[str, bytes]:
    """Return what an update has kept aside."""
    folders = (project / ".evergreen", project / ".git/evergreen/kept")
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


@pytest.mark.verify
@pytest.mark.parametrize("project", [NEWEST], indirect=True)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_project_without_edits_becomes_a_fresh_render(project: Path, engine: str, last: Path, tmp_path: Path) -> None:
    assert ENGINES[engine](project) == 0
    expected = Path(shutil.copytree(last, tmp_path / "expected"))
    substitute(expected / "backend/pyproject.toml", *with_dependency(expected / "backend/pyproject.toml"))
    found, wanted = whole(project), whole(expected)
    assert {path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path)} == set()
    assert (project / "backend/app/features/search").is_dir()
    assert not (project / "backend/app/features/reports").exists()


@pytest.mark.verify
def test_such_releases_are_refused_without_their_migrations(ahead: Future, tmp_path: Path) -> None:
    old = check_out(ahead.folder, f"v{ahead.present}", tmp_path / "old")
    new = check_out(ahead.folder, f"v{ahead.last}", tmp_path / "new")
    modules = ahead.folder / "migrations"
    declared = [catalogue.load(version, modules) for version in catalogue.versions(modules) if version > Version(ahead.present)]
    assert len(declared) == 2
    (tmp_path / "without").mkdir()
    (tmp_path / "with").mkdir()

    findings = compare(old, new, [], tmp_path / "without")

    lost = [*PLACES, SPLIT, *REMOVED]
    assert {finding.split()[0] for finding in findings if "is gone or has another name" in finding} == set(lost)
    assert [finding for finding in findings if finding.startswith(f"{SEAM} belongs to the team")]
    assert [finding for finding in findings if finding.startswith("The question author_email is gone")]
    assert [finding for finding in findings if finding.startswith("The question license has lost its choice 'BSD-3-Clause'")]
    assert len(findings) == len(lost) + 3
    assert compare(old, new, declared, tmp_path / "with") == []
