"""What plain `copier update` does where the companion does better. One that fails says that Copier has learnt it."""

from pathlib import Path

import pytest
from copier import run_update
from support.companion import evergreen, numbered, tree, update, work
from support.releases import git


def copier(project: Path, **answers: object) -> None:
    """Update by plain Copier."""
    run_update(project, data=answers, defaults=True, unsafe=True, quiet=True, overwrite=True)


def test_edits_of_a_file_that_the_template_renamed(project: Path) -> None:
    work(project, {"renamed.txt": numbered("renamed").replace("renamed 5\n", "ours\n")})
    copier(project)
    assert "ours\n" not in (project / "moved/renamed.txt").read_text()


def test_changes_to_a_file_that_the_team_renamed(project: Path) -> None:
    git(project, "mv", "settings.txt", "ours.txt")
    work(project, {})
    copier(project)
    assert "setting five\n" not in (project / "ours.txt").read_text()


@pytest.mark.parametrize("answers", [{}, {"include_extra": False}])
def test_an_edited_file_that_goes(project: Path, answers: dict[str, object]) -> None:
    work(project, {"gone.txt": numbered("gone") + "ours\n", "extra/one.txt": numbered("one") + "ours\n"})
    copier(project, **answers)
    gone = ["gone.txt", *(["extra/one.txt"] if answers else [])]
    for name in gone:
        assert not (project / name).exists()
    assert not [path for path in project.rglob("*") if path.is_file() and ".git" not in path.parts and path.name in gone]


def test_a_binary_that_both_changed(project: Path) -> None:
    work(project, {"logo.png": b"\0ours"})
    copier(project)
    assert (project / "logo.png").read_bytes() == b"\0\1\3", "overwritten, without a word"


def test_a_conflict_ends_like_a_clean_update(project: Path, tmp_path: Path) -> None:
    """`run_update` neither raises nor returns anything that tells; the companion's exit status is 1."""
    work(project, {"settings.txt": numbered("setting").replace("setting 5\n", "ours\n")})
    copier(project)
    assert "<<<<<<< before updating" in (project / "settings.txt").read_text()
    git(project, "checkout", "--quiet", "--force", "HEAD")
    git(project, "clean", "--quiet", "-fdx")
    update(project, status=1)
    assert tmp_path.exists()


def test_both_engines_make_the_same_of_a_project_with_ordinary_edits(project: Path) -> None:
    work(project, {"settings.txt": numbered("setting").replace("setting 15\n", "ours\n"), "run.sh": None, "mine.txt": "mine\n"})
    copier(project)
    theirs = tree(project)
    git(project, "reset", "--quiet", "--hard")
    git(project, "clean", "--quiet", "-fdx")
    update(project)
    assert tree(project) == theirs
    evergreen(project, "finish", status=0)
