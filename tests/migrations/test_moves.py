"""A team's edits outlive a release that moves, splits or removes the file: by plain `copier update`."""

from pathlib import Path

import pytest
from copier.errors import TaskError
from support.releases import commit_all, git
from support.rendering import files_of
from support.small_template import SmallTemplate, team, update

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


def move(template: SmallTemplate, text: str = edited((3, "line 3 of the release\n"))) -> None:
    template.release("1.1.0", f"moved={{{OLD!r}: {NEW!r}}}", {OLD: None, NEW: text})


def kept(project: Path) -> dict[str, bytes]:
    folder = project / ".git/evergreen"
    return files_of(folder) if folder.exists() else {}


def tree(project: Path) -> dict[str, bytes]:
    return {path: content for path, content in files_of(project).items() if not path.startswith(".git/")}


def test_an_edit_moves_with_its_file(template: SmallTemplate, project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    team(project, {OLD: edited((15, "line 15 of the team\n"))})
    move(template)
    update(project)
    assert not (project / OLD).exists()
    assert (project / NEW).read_text() == edited((3, "line 3 of the release\n"), (15, "line 15 of the team\n"))
    output = capfd.readouterr()
    assert f"1.1.0: {OLD} is {NEW} now; your edits moved with it." in output.out
    assert output.err == ""
    assert kept(project) == {}
    commit_all(project, "Update")
    update(project)
    assert git(project, "status", "--porcelain") == ""


def test_without_a_migration_the_edit_would_be_lost(template: SmallTemplate, project: Path) -> None:
    """Why the migration exists: this is what Copier does by itself."""
    team(project, {OLD: edited((15, "line 15 of the team\n"))})
    template.release("1.1.0", files={OLD: None, NEW: TEXT})
    update(project)
    assert "of the team" not in (project / NEW).read_text()


def test_both_sides_changing_a_line_is_a_conflict_that_git_knows(template: SmallTemplate, project: Path) -> None:
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


def test_a_file_without_edits_becomes_the_release_s(template: SmallTemplate, project: Path, tmp_path: Path) -> None:
    move(template)
    update(project)
    assert tree(project) == files_of(template.render(tmp_path / "fresh"))


def test_a_deletion_stays(template: SmallTemplate, project: Path) -> None:
    team(project, {OLD: None})
    move(template)
    update(project)
    assert not (project / OLD).exists()
    assert not (project / NEW).exists()


def test_a_file_of_the_team_at_the_new_place_is_not_merged_with_another(template: SmallTemplate, project: Path) -> None:
    team(project, {OLD: edited((15, "line 15 of the team\n")), NEW: "the team's own\n"})
    move(template)
    update(project)
    assert "the team's own" in (project / NEW).read_text()
    assert kept(project) == {f"kept/1.1.0/{OLD}": edited((15, "line 15 of the team\n")).encode()}


def test_a_team_s_file_at_the_old_path_that_the_template_never_had_is_left(template: SmallTemplate, project: Path) -> None:
    team(project, {"app/extra.txt": "mine\n"})
    template.release("1.1.0", "moved={'app/extra.txt': 'app/elsewhere.txt'}", {"README.md": "# Read me\n"})
    update(project)
    assert (project / "app/extra.txt").read_text() == "mine\n"


def test_a_folder_moves(template: SmallTemplate, project: Path) -> None:
    team(project, {OLD: edited((15, "line 15 of the team\n")), "app/mine.txt": "mine\n"})
    files: dict[str, str | None] = {OLD: None, "app/other.txt": None, "lib/old.txt": TEXT, "lib/other.txt": "other\n"}
    template.release("1.1.0", "moved={'app/': 'lib/'}", files)
    update(project)
    assert (project / "lib/old.txt").read_text() == edited((15, "line 15 of the team\n"))
    assert sorted(path for path in tree(project) if path.startswith("app/")) == ["app/mine.txt"]


def test_two_releases_at_once_move_a_file_twice(template: SmallTemplate, project: Path) -> None:
    team(project, {OLD: edited((15, "line 15 of the team\n"))})
    move(template)
    template.release("1.2.0", f"moved={{{NEW!r}: 'last.txt'}}", {NEW: None, "last.txt": edited((3, "line 3, once more\n"))})
    update(project)
    assert (project / "last.txt").read_text() == edited((3, "line 3, once more\n"), (15, "line 15 of the team\n"))
    assert kept(project) == {}


def test_a_split_file_takes_each_edit_to_the_part_where_it_belongs(template: SmallTemplate, project: Path) -> None:
    team(project, {OLD: edited((3, "line 3 of the team\n"), (10, "line 10 of the team\n"), (18, "line 18 of the team\n"))})
    first, second = "".join(LINES[:8]), "".join(LINES[12:])
    files: dict[str, str | None] = {OLD: None, "app/first.txt": first, "app/second.txt": second}
    template.release("1.1.0", f"moved={{{OLD!r}: ('app/first.txt', 'app/second.txt')}}", files)
    update(project)
    assert (project / "app/first.txt").read_text() == first.replace("line 3\n", "line 3 of the team\n")
    assert (project / "app/second.txt").read_text() == second.replace("line 18\n", "line 18 of the team\n")
    aside = kept(project)
    assert set(aside) == {f"kept/1.1.0/{OLD}", f"kept/1.1.0/{OLD}.diff"}
    assert b"+line 10 of the team\n" in aside[f"kept/1.1.0/{OLD}.diff"]
    assert b"18" not in aside[f"kept/1.1.0/{OLD}.diff"]


def test_an_edited_file_that_a_release_removes_is_kept_aside(
    template: SmallTemplate, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = edited((15, "line 15 of the team\n"))
    team(project, {OLD: text})
    template.release("1.1.0", f"removed=({OLD!r}, 'app/other.txt')", {OLD: None, "app/other.txt": None})
    head = git(project, "rev-parse", "HEAD")
    update(project)
    assert not (project / OLD).exists()
    assert kept(project) == {f"kept/1.1.0/{OLD}": text.encode()}
    output = capfd.readouterr()
    assert f"{OLD}, which you had edited, is gone" in output.out
    assert "other.txt" not in output.out
    assert output.err == ""
    assert git(project, "show", f"{head[:12]}:{OLD}") + "\n" == text


def test_an_update_given_up_half_way_leaves_nothing_to_the_next(template: SmallTemplate, project: Path) -> None:
    team(project, {OLD: edited((15, "line 15 of the team\n"))})
    code = "def fail(project):\n    raise SystemExit('stop')\n---\n"
    template.release("1.1.0", f"{code}moved={{{OLD!r}: {NEW!r}}}, before=fail", {OLD: None, NEW: TEXT})
    with pytest.raises(TaskError):
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
