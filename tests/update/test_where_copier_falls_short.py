"""What plain `copier update` does where the companion does better. One that fails says that Copier has learnt it.

They depend on nothing but Copier, so most run by `make verify` only. The page docs/explanation/why-updates-keep-edits.md names
each, and the version of Copier that it is true for.
"""

import contextlib
import importlib.metadata
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from copier import run_copy, run_update
from copier.errors import UserMessageError
from support.companion import Template, evergreen, numbered, tree, update, work
from support.releases import commit_all, git
from support.rendering import REPOSITORY

PAGE = REPOSITORY / "docs/explanation/why-updates-keep-edits.md"


def copier(project: Path, **answers: object) -> None:
    """Update by plain Copier."""
    run_update(project, data=answers, defaults=True, unsafe=True, quiet=True, overwrite=True)


@pytest.mark.verify
def test_edits_of_a_file_that_the_template_renamed(project: Path) -> None:
    work(project, {"renamed.txt": numbered("renamed").replace("renamed 5\n", "ours\n")})
    copier(project)
    assert "ours\n" not in (project / "moved/renamed.txt").read_text()


@pytest.mark.verify
def test_changes_to_a_file_that_the_team_renamed(project: Path) -> None:
    git(project, "mv", "settings.txt", "ours.txt")
    work(project, {})
    copier(project)
    assert "setting five\n" not in (project / "ours.txt").read_text()


@pytest.mark.verify
@pytest.mark.parametrize("answers", [{}, {"include_extra": False}])
def test_an_edited_file_that_goes(project: Path, answers: dict[str, object]) -> None:
    work(project, {"gone.txt": numbered("gone") + "ours\n", "extra/one.txt": numbered("one") + "ours\n"})
    copier(project, **answers)
    gone = ["gone.txt", *(["extra/one.txt"] if answers else [])]
    for name in gone:
        assert not (project / name).exists()
    assert not [path for path in project.rglob("*") if path.is_file() and ".git" not in path.parts and path.name in gone]


@pytest.mark.verify
def test_a_binary_that_both_changed(project: Path) -> None:
    work(project, {"logo.png": b"\0ours"})
    copier(project)
    assert (project / "logo.png").read_bytes() == b"\0\1\3", "overwritten, without a word"


def test_a_binary_that_only_the_team_changed(template_of: Callable[..., Template], tmp_path: Path) -> None:
    """Copier carries the team's changes over as a text, and a binary's change is none."""
    template = template_of({"logo.png": b"\0\1\2", "other.txt": "1\n"})
    project = template.project(tmp_path / "project")
    work(project, {"logo.png": b"\0ours"})
    template.release("1.1.0", {"other.txt": "2\n"})
    copier(project)
    assert (project / "logo.png").read_bytes() == b"\0\1\2"
    git(project, "reset", "--quiet", "--hard")
    update(project)
    assert (project / "logo.png").read_bytes() == b"\0ours"


def test_an_ignored_file_at_a_place_of_the_templates(template_of: Callable[..., Template], tmp_path: Path) -> None:
    template = template_of({".gitignore": "/local.txt\n"})
    project = template.project(tmp_path / "project")
    (project / "local.txt").write_text("ours\n")
    template.release("1.1.0", {"local.txt": "theirs\n"})
    copier(project)
    assert (project / "local.txt").read_text() == "theirs\n"


def services(*names: str) -> str:
    """Return blocks that differ in nothing but their names."""
    body = ("restart: always", "logging: *logging", "deploy:", "  limit: 1", "  memory: 1", "networks: [all]", "init: true")
    return "services:\n" + "".join(f"  {name}:\n" + "".join(f"    {line}\n" for line in body) for name in names)


@pytest.mark.verify
@pytest.mark.parametrize("context", [3, 100_000])
def test_an_edit_among_blocks_that_repeat_themselves(template_of: Callable[..., Template], tmp_path: Path, context: int) -> None:
    """With Copier's own three lines of context it lands in another block; with the whole file it does not."""

    def edited(text: str) -> str:
        before, after = text.split("  s4:\n")
        return f"{before}  s4:\n{after.replace('limit: 1', 'limit: 9', 1)}"

    template = template_of({"compose.yml": services("s1", "s2", "s3", "s4", "s5")})
    project = template.project(tmp_path / "project")
    work(project, {"compose.yml": edited(services("s1", "s2", "s3", "s4", "s5"))})
    after = services("first", "second", "s1", "s2", "s3", "s4", "s5")
    template.release("1.1.0", {"compose.yml": after})
    run_update(project, defaults=True, unsafe=True, quiet=True, overwrite=True, context_lines=context)
    assert ((project / "compose.yml").read_text() == edited(after)) == (context == 100_000)


@pytest.mark.verify
def test_markers_that_are_committed(project: Path, small: Template, tmp_path: Path) -> None:
    """Updating again nests them; `evergreen doctor` tells."""
    own = Path(shutil.copytree(small.folder, tmp_path / "template"))
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(str(small.folder), str(own)))
    work(project, {"settings.txt": numbered("setting").replace("setting 5\n", "ours\n")})
    copier(project)
    commit_all(project, "Markers and all")
    Template(own, dict(small.settings)).release("1.2.0", {"settings.txt": numbered("setting").replace("setting 5\n", "V\n")})
    assert "Conflict markers are committed in settings.txt." in evergreen(project, "doctor", status=1).output
    copier(project)
    assert (project / "settings.txt").read_text().count("<<<<<<< before updating") > 1


@pytest.mark.verify
def test_a_relative_path_as_it_was_typed(small: Template, tmp_path: Path) -> None:
    """Copier stores it as it is, and looks for it in the folder that the update runs in."""
    shutil.copytree(small.folder, tmp_path / "template")
    with contextlib.chdir(tmp_path):
        run_copy("./template", "project", vcs_ref="v1.0.0", defaults=True, unsafe=True, quiet=True)
    project = tmp_path / "project"
    git(project, "init", "--quiet")
    commit_all(project, "Start")
    with contextlib.chdir(project), pytest.raises(UserMessageError, match="only supported in git-tracked templates"):
        copier(Path())
    update(project)
    assert (project / "added.txt").exists()


@pytest.mark.verify
def test_a_conflict_ends_like_a_clean_update(project: Path) -> None:
    """`run_update` neither raises nor returns anything that tells; the companion's exit status is 1."""
    work(project, {"settings.txt": numbered("setting").replace("setting 5\n", "ours\n")})
    copier(project)
    assert "<<<<<<< before updating" in (project / "settings.txt").read_text()
    git(project, "checkout", "--quiet", "--force", "HEAD")
    git(project, "clean", "--quiet", "-fdx")
    update(project, status=1)


def test_both_engines_make_the_same_of_a_project_with_ordinary_edits(project: Path) -> None:
    work(project, {"settings.txt": numbered("setting").replace("setting 15\n", "ours\n"), "run.sh": None, "mine.txt": "mine\n"})
    copier(project)
    theirs = tree(project)
    git(project, "reset", "--quiet", "--hard")
    git(project, "clean", "--quiet", "-fdx")
    update(project)
    assert tree(project) == theirs
    evergreen(project, "finish", status=0)
    copier(project)
    assert git(project, "status", "--porcelain") == "", "a second update changes nothing"


def test_the_page_names_each_of_these_and_the_copier_that_they_are_true_for() -> None:
    text = PAGE.read_text()
    named = set(re.findall(r"`(test_\w+)`", text[text.index("## Where plain Copier falls short") :]))
    here = {name for name, found in globals().items() if name.startswith("test_") and callable(found)}
    assert named == here - {
        "test_both_engines_make_the_same_of_a_project_with_ordinary_edits",
        "test_the_page_names_each_of_these_and_the_copier_that_they_are_true_for",
        "test_every_test_that_the_page_names_is_there",
    }
    assert f"Copier {'.'.join(importlib.metadata.version('copier').split('.')[:2])}" in text


def test_every_test_that_the_page_names_is_there() -> None:
    sources = "".join(path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py"))
    names = re.findall(r"`(test_\w+)`", PAGE.read_text())
    assert [name for name in names if f"def {name}(" not in sources] == []
