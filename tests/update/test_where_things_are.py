"""Where project and template may be: a moved folder, a URL, a relative path, part of a repository, a linked worktree."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.companion import Template, evergreen, numbered, tree, update, work
from support.releases import commit_all, git


def point(project: Path, old: str, new: str) -> None:
    """Commit another address of the template."""
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(f"_src_path: {old}", f"_src_path: {new}"))
    commit_all(project, "The template moved")


def test_a_project_that_was_moved_to_another_folder(project: Path, fresh: Path, tmp_path: Path) -> None:
    moved = project.rename(tmp_path / "a folder with spaces")
    update(moved)
    assert tree(moved) == tree(fresh)


@pytest.mark.parametrize(("address", "faulty"), [("../template", 1), ("git+file://{}/template", 0)])
def test_a_template_by_relative_path_and_by_url(
    small: Template, project: Path, tmp_path: Path, address: str, faulty: int
) -> None:
    shutil.copytree(small.folder, tmp_path / "template")
    here = address.format(tmp_path)
    point(project, str(small.folder), here)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert evergreen(elsewhere, "check", "-C", str(project), "--json", status=1).data["newest"] == "1.1.0"
    evergreen(elsewhere, "update", "-C", str(project), "--trust", status=0)
    assert f"_src_path: {here}\n" in (project / ".copier-answers.yml").read_text(), "the address stays as it was given"
    assert (project / "added.txt").exists()
    evergreen(project, "finish", status=0)
    assert "relative" in evergreen(project, "doctor", status=faulty).output or not faulty


def test_a_relative_path_as_copier_stores_it_is_found_from_the_projects_parent(
    small: Template, project: Path, tmp_path: Path
) -> None:
    """`copier copy ./template project` stores a path that is relative to where it was run, beside the project."""
    shutil.copytree(small.folder, tmp_path / "template")
    point(project, str(small.folder), "./template")
    update(project)
    assert (project / "added.txt").exists()


def test_a_template_that_is_gone_is_named(small: Template, project: Path) -> None:
    for address in ("../nowhere", "/nowhere/template", "file:///nowhere/template"):
        point(project, str(small.folder), address)
        for command in ("check", "update", "preview"):
            assert address in evergreen(project, command, *([] if command == "check" else ["--trust"]), status=2).errors
        point(project, address, str(small.folder))


def test_a_project_in_a_folder_of_a_repository(small: Template, tmp_path: Path) -> None:
    top = tmp_path / "repository"
    (top / "part").mkdir(parents=True)
    git(top, "init", "--quiet")
    work(top, {"other.txt": numbered("setting"), ".gitattributes": "*.txt text\n"})
    project = small.project(top / "part/project", "--to", "1.0.0")
    commit_all(top, "Add a project")
    work(project, {"settings.txt": numbered("setting").replace("setting 5\n", "ours\n"), "gone.txt": numbered("gone") + "ours\n"})
    before = tree(top)
    update(project, status=1)
    assert "UU part/project/settings.txt" in git(top, "status", "--porcelain")
    assert (top / "other.txt").read_text() == numbered("setting")
    assert (project / ".evergreen/1.1.0/yours/gone.txt").exists()
    evergreen(project, "abort", status=0)
    assert tree(top) == before
    update(project / "deep", status=1)
    (project / "settings.txt").write_text("resolved\n")
    git(project, "add", "settings.txt")
    evergreen(project, "finish", status=0)
    assert git(top, "status", "--porcelain") == ""


def test_a_linked_worktree(project: Path, fresh: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(project, "worktree", "add", "--quiet", str(linked))
    before = tree(project)
    update(linked)
    assert (linked / ".git").is_file()
    assert {name: found for name, found in tree(linked).items() if name != ".git"} == tree(fresh)
    assert tree(project) == before
    update(project)
    evergreen(linked, "abort", status=0)
    evergreen(project, "finish", status=0)
    assert git(linked, "status", "--porcelain") == ""
    assert git(project, "status", "--porcelain") == ""


def test_a_detached_head_a_submodule_and_a_shallow_clone(project: Path, small: Template, tmp_path: Path) -> None:
    git(project, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(small.folder), "vendor/template")
    work(project, {"settings.txt": numbered("setting").replace("setting 15\n", "ours\n")})
    head = git(project, "rev-parse", "HEAD")
    git(project, "checkout", "--quiet", "--detach")
    before = tree(project)
    update(project, "--branch", "update")
    assert git(project, "rev-parse", "HEAD^") == head
    assert (project / "vendor/template/copier.yml").exists()
    git(project, "checkout", "--quiet", head)
    assert tree(project) == before
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{project}", str(shallow))
    update(shallow)
    assert "setting five\n" in (shallow / "settings.txt").read_text()


def test_a_git_hooks_environment_does_not_mislead(project: Path, fresh: Path, small: Template) -> None:
    evergreen(
        project, "update", "--trust", status=0, GIT_DIR=str(small.folder / ".git"), GIT_INDEX_FILE="/nowhere", GIT_WORK_TREE="/"
    )
    assert tree(project) == tree(fresh)


def test_settings_of_the_teams_git_do_not_change_the_outcome(project: Path, fresh: Path) -> None:
    for name, value in {
        "merge.renames": "false",
        "diff.noprefix": "true",
        "core.quotePath": "true",
        "merge.conflictStyle": "merge",
        "status.showUntrackedFiles": "all",
        "diff.renames": "false",
        "core.fsmonitor": "true",
        "commit.gpgSign": "false",
    }.items():
        git(project, "config", name, value)
    update(project)
    assert tree(project) == tree(fresh)


def test_the_template_may_be_a_folder_of_another_name(template_of: Callable[..., Template], tmp_path: Path) -> None:
    template = template_of({"a.txt": "a\n"}, _subdirectory="template")
    project = template.project(tmp_path / "project")
    template.release("1.0.1", {"a.txt": "b\n"})
    template.release("1.1.0", {"a.txt": "c\n"})
    found = update(project, "--json")
    assert [note["version"] for note in found.data["notes"]] == ["1.0.1", "1.1.0"]
    assert (project / "a.txt").read_text() == "c\n"
