"""A team's edits outlive a release that moves, splits or removes the file: by plain `copier update` and by the companion."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from copier.errors import TaskError
from support.companion import evergreen
from support.releases import commit_all, git
from support.rendering import files_of
from support.small_template import SmallTemplate, team
from support.small_template import update as by_copier

Update = Callable[[Path], None]
LINES = [f"line {number}\n" for number in range(1, 21)]
TEXT = "".join(LINES)
OLD, NEW = "app/old.txt", "app/deep/new.txt"


def edited(*changes: tuple[int, str]) -> str:
    lines = list(LINES)
    for number, text in changes:
        lines[number - 1] = text
    return "".join(lines)


@pytest.fixture
def template(tmp_path: Path) -> SmallTemplate:
    files: dict[str, str | None] = {OLD: TEXT, "app/other.txt": "other\n", "README.md": "# Read\n"}
    return SmallTemplate.start(tmp_path / "template", files)


@pytest.fixture
def project(template: SmallTemplate, tmp_path: Path) -> Path:
    return template.generate(tmp_path / "project")


def by_companion(project: Path) -> None:
    outcome = evergreen(project, "update", "--trust")
    print(outcome.output, outcome.errors)
    assert outcome.status in {0, 1}, outcome.errors  # 1: conflicts


@pytest.fixture(params=[pytest.param(by_copier, marks=pytest.mark.verify), by_companion], ids=["copier", "evergreen"])
def update(request: pytest.FixtureRequest) -> Update:
    return cast("Update", request.param)


def move(template: SmallTemplate, text: str = edited((3, "line 3 of the release\n"))) -> None:
    template.release("1.1.0", f"moved={{{OLD!r}: {NEW!r}}}", {OLD: None, NEW: text})


def kept(project: Path) -> dict[str, bytes]:
    """Return what was kept aside; nothing is left on the way."""
    assert not (project / ".git/evergreen/migrating").exists()
    folder = project / ".evergreen"
    found = files_of(folder) if folder.exists() else {}
    assert git(project, "ls-files", "--others", "--exclude-standard", ".evergreen") == ""
    return {path: content for path, content in found.items() if path != ".gitignore"}


def tree(project: Path) -> dict[str, bytes]:
    return {path: content for path, content in files_of(project).items() if path.split("/")[0] not in {".git", ".evergreen"}}


@pytest.mark.parametrize("update", [by_copier, by_companion], ids=["copier", "evergreen"])
def test_an_edit_moves_with_its_file(
    template: SmallTemplate, project: Path, update: Update, capfd: pytest.CaptureFixture[str]
) -> None:
    team(project, {OLD: edited((15, "line 15 of the team\n"))})
    move(template)
    update(project)
    assert not (project / OLD).exists()
    assert (project / NEW).read_text() == edited((3, "line 3 of the release\n"), (15, "line 15 of the team\n"))
    assert f"1.1.0: {OLD} is {NEW} now; your edits moved with it." in "".join(capfd.readouterr())
    assert kept(project) == {}
    commit_all(project, "Update")
    update(project)
    assert git(project, "status", "--porcelain") == ""


def test_without_a_migration_copier_would_lose_the_edit(template: SmallTemplate, project: Path) -> None:
    """Why the migration exists: this is what Copier does by itself."""
    team(project, {OLD: edited((15, "line 15 of the team\n"))})
    template.release("1.1.0", files={OLD: None, NEW: TEXT})
    by_copier(project)
    assert "of the team" not in (project / NEW).read_text()


def test_a_line_changed_by_both_is_a_conflict_that_git_knows(template: SmallTemplate, project: Path, update: Update) -> None:
    team(project, {OLD: edited((3, "line 3 of the team\n"))})
    move(template)
    update(project)
    assert (project / NEW).read_text() == edited(
        (
            3,
            "<<<<<<< before updating\nline 3 of the team\n=======\nline 3 of the release\n>>>>>>> after updating\n",
        )
    )
    assert f"AA {NEW}" in git(project, "status", "--porcelain") or f"UU {NEW}" in git(project, "status", "--porcelain")
    assert git(project, "show", f":1:{NEW}") == TEXT.rstrip("\n")


def test_an_unedited_file_becomes_the_release_s(template: SmallTemplate, project: Path, update: Update, tmp_path: Path) -> None:
    move(template)
    update(project)
    assert tree(project) == files_of(template.render(tmp_path / "fresh"))


def test_a_deletion_stays(template: SmallTemplate, project: Path, update: Update) -> None:
    team(project, {OLD: None})
    move(template)
    update(project)
    assert not (project / OLD).exists()
    assert not (project / NEW).exists()


def test_a_file_of_the_team_s_at_the_new_place_is_left(template: SmallTemplate, project: Path, update: Update) -> None:
    team(project, {OLD: edited((15, "line 15 of the team\n")), NEW: "the team's own\n"})
    move(template)
    update(project)
    assert "the team's own" in (project / NEW).read_text()
    assert kept(project) == {f"1.1.0/yours/{OLD}": edited((15, "line 15 of the team\n")).encode()}


def test_a_file_of_the_team_s_at_the_old_place_is_left(template: SmallTemplate, project: Path, update: Update) -> None:
    team(project, {"app/extra.txt": "mine\n"})
    template.release("1.1.0", "moved={'app/extra.txt': 'app/elsewhere.txt'}", {"README.md": "# Read me\n"})
    update(project)
    assert (project / "app/extra.txt").read_text() == "mine\n"


def test_a_folder_moves(template: SmallTemplate, project: Path, update: Update) -> None:
    team(project, {OLD: edited((15, "line 15 of the team\n")), "app/mine.txt": "mine\n"})
    files: dict[str, str | None] = {OLD: None, "app/other.txt": None, "lib/old.txt": TEXT, "lib/other.txt": "other\n"}
    template.release("1.1.0", "moved={'app/': 'lib/'}", files)
    update(project)
    assert (project / "lib/old.txt").read_text() == edited((15, "line 15 of the team\n"))
    # git takes a team's own file along with its folder; Copier leaves it.
    assert [path for path in tree(project) if path.endswith("mine.txt")] in (["app/mine.txt"], ["lib/mine.txt"])
    assert (project / "lib/other.txt").exists()
    assert not (project / "app/other.txt").exists()


def test_two_releases_at_once_move_a_file_twice(template: SmallTemplate, project: Path, update: Update) -> None:
    team(project, {OLD: edited((15, "line 15 of the team\n"))})
    move(template)
    template.release("1.2.0", f"moved={{{NEW!r}: 'last.txt'}}", {NEW: None, "last.txt": edited((3, "line 3, once more\n"))})
    update(project)
    assert (project / "last.txt").read_text() == edited((3, "line 3, once more\n"), (15, "line 15 of the team\n"))
    assert kept(project) == {}


def test_each_edit_of_a_split_file_goes_to_its_part(template: SmallTemplate, project: Path, update: Update) -> None:
    team(project, {OLD: edited((3, "line 3 of the team\n"), (10, "line 10 of the team\n"), (18, "line 18 of the team\n"))})
    first, second = "".join(LINES[:8]), "".join(LINES[12:])
    files: dict[str, str | None] = {OLD: None, "app/first.txt": first, "app/second.txt": second}
    template.release("1.1.0", f"moved={{{OLD!r}: ('app/first.txt', 'app/second.txt')}}", files)
    update(project)
    assert (project / "app/first.txt").read_text() == first.replace("line 3\n", "line 3 of the team\n")
    assert (project / "app/second.txt").read_text() == second.replace("line 18\n", "line 18 of the team\n")
    aside = kept(project)
    assert set(aside) == {f"1.1.0/yours/{OLD}", f"1.1.0/yours/{OLD}.diff"}
    assert b"+line 10 of the team\n" in aside[f"1.1.0/yours/{OLD}.diff"]
    assert b"18" not in aside[f"1.1.0/yours/{OLD}.diff"]


def test_an_edited_file_that_a_release_removes_is_kept_aside(
    template: SmallTemplate, project: Path, update: Update, capfd: pytest.CaptureFixture[str]
) -> None:
    text = edited((15, "line 15 of the team\n"))
    team(project, {OLD: text})
    template.release("1.1.0", f"removed=({OLD!r}, 'app/other.txt')", {OLD: None, "app/other.txt": None})
    head = git(project, "rev-parse", "HEAD")
    update(project)
    assert not (project / OLD).exists()
    assert kept(project) == {f"1.1.0/yours/{OLD}": text.encode()}
    output = "".join(capfd.readouterr())
    assert f"{OLD}, which you had edited, is gone" in output
    assert "other.txt, which" not in output
    assert git(project, "show", f"{head[:12]}:{OLD}") + "\n" == text


def test_an_update_given_up_half_way_leaves_nothing_to_the_next(template: SmallTemplate, project: Path, update: Update) -> None:
    team(project, {OLD: edited((15, "line 15 of the team\n"))})
    code = "def fail(project):\n    raise SystemExit('stop')\n---\n"
    template.release("1.1.0", f"{code}moved={{{OLD!r}: {NEW!r}}}, before=fail", {OLD: None, NEW: TEXT})
    with pytest.raises((TaskError, AssertionError)):
        update(project)
    git(project, "reset", "--hard", "--quiet")
    assert (project / OLD).read_text() == edited((15, "line 15 of the team\n"))
    team(project, {OLD: edited((16, "line 16 of the team\n"))})
    template.release("1.1.1", f"moved={{{OLD!r}: {NEW!r}}}")
    module = template.folder / "migrations/v1_1_0.py"
    module.write_text("from migrations.model import Migration\nMIGRATION = Migration()\n")
    template.release("1.1.2")
    update(project)
    assert (project / NEW).read_text() == edited((16, "line 16 of the team\n"))
