"""What an update makes of a team's work: each kind of edit meets each kind of change, and none is lost."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.companion import Template, evergreen, fsck, numbered, tree, update, work
from support.releases import git

CONFLICT = """\
<<<<<<< yours
setting of ours
||||||| evergreen 1.0.0
setting 5
=======
setting five
>>>>>>> evergreen 1.1.0
"""


def kept(project: Path, name: str, version: str = "1.1.0") -> bytes:
    """Return a file that an update kept aside."""
    return (project / ".evergreen" / version / name).read_bytes()


def test_a_project_without_edits_becomes_a_fresh_render_and_a_second_update_changes_nothing(project: Path, fresh: Path) -> None:
    update(project)
    assert tree(project) == tree(fresh)
    evergreen(project, "finish", status=0)
    assert git(project, "rev-parse", "HEAD^{tree}") == git(fresh, "rev-parse", "HEAD^{tree}")
    assert not (project / ".evergreen").exists()
    before = git(project, "rev-parse", "HEAD")
    update(project)
    update(project, "--set", "name=Demo")
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "rev-parse", "HEAD") == before
    fsck(project)


def test_edits_beside_the_templates_changes_stay(project: Path) -> None:
    work(project, {"settings.txt": numbered("setting").replace("setting 15\n", "ours\n"), "mine.txt": "mine\n"})
    update(project)
    assert (project / "settings.txt").read_text() == numbered("setting").replace("setting 15\n", "ours\n").replace(
        "setting 5\n", "setting five\n"
    )
    assert (project / "mine.txt").read_text() == "mine\n"


def test_one_line_changed_by_both_is_a_conflict_that_git_and_editors_see(project: Path) -> None:
    work(project, {"settings.txt": numbered("setting").replace("setting 5\n", "setting of ours\n")})
    found = update(project, "--json", status=1)
    assert (project / "settings.txt").read_text() == numbered("setting").replace("setting 5\n", CONFLICT)
    assert list(found.data["conflicts"]) == ["settings.txt"]
    assert found.data["conflicts"]["settings.txt"] == [CONFLICT.rstrip("\n")]
    assert "UU settings.txt" in git(project, "status", "--porcelain")
    stages = git(project, "ls-files", "--unmerged").splitlines()
    assert [line.split()[2] for line in stages] == ["1", "2", "3"]
    assert "setting of ours" in git(project, "show", ":2:settings.txt")
    assert "setting five" in git(project, "show", ":3:settings.txt")


def test_a_file_that_the_template_renamed_takes_the_edits_along(project: Path) -> None:
    work(project, {"renamed.txt": numbered("renamed").replace("renamed 5\n", "ours\n")})
    update(project)
    assert not (project / "renamed.txt").exists()
    merged = (project / "moved/renamed.txt").read_text()
    assert "ours\n" in merged
    assert "at its new place" in merged


def test_a_file_that_the_team_renamed_or_moved_takes_the_templates_change(project: Path) -> None:
    (project / "ours").mkdir()
    git(project, "mv", "settings.txt", "ours/configuration.txt")
    git(project, "mv", "deep/er", "deep/est")
    work(project, {})
    update(project)
    assert "setting five\n" in (project / "ours/configuration.txt").read_text()
    assert not (project / "settings.txt").exists()
    assert "deep three\n" in (project / "deep/est/file.txt").read_text()
    assert not (project / "deep/er").exists()


def test_a_file_that_the_team_deleted_stays_deleted_and_is_reported(project: Path) -> None:
    work(project, {"settings.txt": None, "run.sh": None, "renamed.txt": None})
    found = update(project, "--json")
    assert not any((project / name).exists() for name in ("settings.txt", "run.sh", "renamed.txt", "moved/renamed.txt"))
    assert found.data["stays_deleted"] == ["moved/renamed.txt", "settings.txt"]


def test_an_edited_file_that_the_template_removed_goes_and_is_kept(project: Path) -> None:
    edited = numbered("gone").replace("gone 5\n", "ours\n")
    work(project, {"gone.txt": edited})
    head = git(project, "rev-parse", "--short=12", "HEAD")
    found = update(project, "--json")
    assert not (project / "gone.txt").exists()
    assert kept(project, "yours/gone.txt").decode() == edited
    assert found.data["edited_removed"] == ["gone.txt"]
    assert found.data["kept"] == [".evergreen/1.1.0/yours/gone.txt"]
    evergreen(project, "finish", status=0)
    assert f"git show {head}:gone.txt" in git(project, "log", "-1", "--format=%B")
    assert git(project, "show", f"{head}:gone.txt") == edited.strip()
    assert git(project, "status", "--porcelain") == "", "what is kept is never committed by accident"


def test_a_moved_file_that_the_template_removed_stays_the_teams(project: Path) -> None:
    git(project, "mv", "gone.txt", "ours.txt")
    work(project, {"ours.txt": numbered("gone").replace("gone 5\n", "ours\n")})
    found = update(project, "--json")
    assert "ours\n" in (project / "ours.txt").read_text()
    assert found.data["stays_moved"] == ["ours.txt"]


def test_a_feature_switched_off_leaves_nothing_and_keeps_edits(project: Path) -> None:
    edited = numbered("one").replace("one 5\n", "ours\n")
    work(project, {"extra/one.txt": edited, "extra/own.txt": "our own\n"})
    update(project, "--set", "include_extra=no")
    assert sorted(path.name for path in (project / "extra").iterdir()) == ["own.txt"]
    assert kept(project, "yours/extra/one.txt").decode() == edited


def test_a_feature_switched_on_later_arrives(small: Template, tmp_path: Path) -> None:
    project = small.project(tmp_path / "project", "--to", "1.0.0", "--data", "include_extra=false")
    assert not (project / "extra").exists()
    update(project, "--set", "include_extra=true")
    assert (project / "extra/one.txt").read_text() == numbered("one")
    assert (project / "extra/two.txt").exists()
    evergreen(project, "finish", status=0)
    update(project, "--set", "include_extra=no")
    assert not (project / "extra").exists()
    evergreen(project, "finish", status=0)
    update(project, "--set", "include_extra=yes")
    assert (project / "extra/one.txt").exists(), "switched off by the template is not deleted by the team"


def test_a_binary_that_both_changed_stays_the_teams_and_the_new_one_lies_beside(project: Path) -> None:
    work(project, {"logo.png": b"\0ours"})
    found = update(project, "--json")
    assert (project / "logo.png").read_bytes() == b"\0ours"
    assert kept(project, "template/logo.png") == b"\0\1\3"
    assert found.data["binaries"] == ["logo.png"]


@pytest.mark.parametrize("content", ["ours, ignored\n", "added by the template\n"])
def test_an_ignored_file_is_never_overwritten(template_of: Callable[..., Template], tmp_path: Path, content: str) -> None:
    template = template_of({".gitignore": "/local.txt\n/dir\n"})
    project = template.project(tmp_path / "project")
    (project / "local.txt").write_text(content)
    (project / "dir").write_text("a file where the template has a folder\n")
    template.release("1.1.0", {"local.txt": "added by the template\n", "dir/file.txt": "in a folder\n"})
    found = update(project, "--json")
    assert (project / "local.txt").read_text() == content
    assert (project / "dir").read_text() == "a file where the template has a folder\n"
    different = content != "added by the template\n"
    assert found.data["ignored_unlike"] == (["dir/file.txt", "local.txt"] if different else ["dir/file.txt"])
    assert kept(project, "template/dir/file.txt") == b"in a folder\n"


def test_an_ignored_file_of_the_template_is_written_and_renewed_while_it_is_not_edited(
    template_of: Callable[..., Template], tmp_path: Path
) -> None:
    template = template_of({".gitignore": "/*.cache\n", "a.cache": "1\n", "b.cache": "1\n", "gone.cache": "1\n"})
    project = template.project(tmp_path / "project")
    (project / "b.cache").write_text("ours\n")
    template.release("1.1.0", {"a.cache": "2\n", "b.cache": "2\n", "c.cache": "2\n"})
    before = tree(project)
    update(project)
    assert [(project / f"{name}.cache").read_text() for name in "abc"] == ["2\n", "ours\n", "2\n"]
    assert git(project, "ls-files", "*.cache") == ""
    evergreen(project, "abort", status=0)
    assert tree(project) == before


def test_both_added_one_file(project: Path) -> None:
    work(project, {"added.txt": "ours\n"})
    update(project, status=1)
    assert "AA added.txt" in git(project, "status", "--porcelain")
    text = (project / "added.txt").read_text()
    assert text == "<<<<<<< yours\nours\n||||||| evergreen 1.0.0\n=======\nadded\n>>>>>>> evergreen 1.1.0\n"


def test_repeated_blocks_keep_their_edits_apart(template_of: Callable[..., Template], tmp_path: Path) -> None:
    def services(*names: str) -> str:
        return "services:\n" + "".join(f"  {name}:\n    restart: always\n    deploy:\n      limit: 1\n\n" for name in names)

    def edited(text: str) -> str:
        return text.replace("  s4:\n    restart: always\n", "  s4:\n    restart: never\n")

    template = template_of({"compose.yml": services("s1", "s2", "s3", "s4", "s5")})
    project = template.project(tmp_path / "project")
    work(project, {"compose.yml": edited(services("s1", "s2", "s3", "s4", "s5"))})
    after = services("first", "second", "s1", "s2", "s3", "s4", "s5")
    template.release("1.1.0", {"compose.yml": after})
    update(project)
    assert (project / "compose.yml").read_text() == edited(after)


def test_a_folder_where_the_team_has_a_file(project: Path) -> None:
    """Git moves the file out of the way and names it; nothing is lost."""
    work(project, {"moved": "a file of ours\n"})
    found = update(project, "--json", status=1)
    assert (project / "moved/renamed.txt").exists()
    assert (project / "moved~yours").read_text() == "a file of ours\n"
    assert list(found.data["conflicts"]) == ["moved~yours"]
    evergreen(project, "abort", status=0)
    assert (project / "moved").read_text() == "a file of ours\n"


def test_a_conflict_of_the_answers_file_is_none(project: Path) -> None:
    answers = (project / ".copier-answers.yml").read_text()
    work(project, {".copier-answers.yml": answers.replace("name: Demo", "name: Ours").replace("v1.0.0", "v1.0.0 # ours")})
    update(project)
    assert (project / ".copier-answers.yml").read_text().splitlines()[:1] == ["_commit: v1.1.0"]
    assert "name: Ours" in (project / ".copier-answers.yml").read_text()
    assert (project / "README.md").read_text() == "# Demo\n", "the team committed it so; evergreen doctor tells of the edit"


def test_two_releases_at_once(project: Path, small: Template) -> None:
    """The project at 1.0.0 goes to the newest; `--to` stops earlier."""
    assert update(project, "--to", "v1.1.0", "--json").data["new"] == "1.1.0"
    assert small.folder.exists()


def test_files_that_the_template_skips_once_they_are_there(template_of: Callable[..., Template], tmp_path: Path) -> None:
    template = template_of({"lock.txt": "1\n", "gone.txt": "1\n"}, _skip_if_exists=["lock.txt", "gone.txt", "new.txt"])
    project = template.project(tmp_path / "project")
    work(project, {"lock.txt": "ours\n", "gone.txt": None})
    template.release("1.1.0", {"lock.txt": "2\n", "gone.txt": "2\n", "new.txt": "new\n"})
    update(project)
    assert (project / "lock.txt").read_text() == "ours\n"
    assert not (project / "gone.txt").exists()
    assert (project / "new.txt").read_text() == "new\n"


def test_a_file_that_the_template_leaves_to_the_team_stays(template_of: Callable[..., Template], tmp_path: Path) -> None:
    """The new version excludes it: that is no deletion, for Copier neither."""
    template = template_of({"seed.txt": "1\n"})
    project = template.project(tmp_path / "project")
    template.release("1.1.0", {"other.txt": "2\n"}, _exclude=["seed.txt"], _message_after_update="Welcome to {{ name }}.")
    assert "Welcome to Demo." in update(project).errors
    assert (project / "seed.txt").read_text() == "1\n"


def test_names_in_no_encoding(template_of: Callable[..., Template], tmp_path: Path) -> None:
    template = template_of({"a.txt": numbered("a")})
    project = template.project(tmp_path / "project")
    name = os.fsdecode(b"caf\xe9.txt")
    work(project, {name: "ours\n"})
    (template.folder / "template/a.txt").rename(template.folder / "template" / os.fsdecode(b"b\xff.txt"))
    template.release("1.1.0")
    found = update(project, "--json").data
    assert found["renamed"] == {"a.txt": os.fsdecode(b"b\xff.txt")}
    assert (project / name).read_text() == "ours\n"
    assert (project / os.fsdecode(b"b\xff.txt")).exists()


def test_merge_drivers_of_the_team_are_used(project: Path) -> None:
    """So a syntax-aware one, such as mergiraf, can be switched on by the team's own attributes and settings."""
    git(project, "config", "merge.both.driver", "cat %A %B > both; cp both %A; rm both")
    work(project, {".gitattributes": "settings.txt merge=both\n", "settings.txt": numbered("ours")})
    update(project)
    text = (project / "settings.txt").read_text()
    assert "ours 5\n" in text
    assert "setting five\n" in text
    assert not (project / "both").exists()
