"""`evergreen doctor` names each fault of a project, with its values and its remedy; a healthy project has none."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.companion import Template, evergreen, update, whole, work
from support.releases import commit_all, git

ANSWERS = ".copier-answers.yml"


def edit(project: Path, old: str, new: str) -> None:
    """Commit an edit of the answers file."""
    (project / ANSWERS).write_text((project / ANSWERS).read_text().replace(old, new))
    commit_all(project, "Edit the answers")


def test_a_healthy_project(project: Path) -> None:
    before = whole(project)
    assert "All is well" in evergreen(project, "doctor", status=0).output
    assert whole(project) == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: Demo", "name: [Demo", "no valid YAML at line"),
        ("name: Demo", "<<<<<<< yours\nname: Demo\n=======\nname: X\n>>>>>>> evergreen 1.0.0", "holds conflict markers"),
        ("_commit: v1.0.0\n", "", "does not say _commit"),
        ("_commit: v1.0.0", "_commit: v0.7.0", "v0.7.0 (_commit), is none that the template"),
        ("_commit: v1.0.0", "_commit: 0123abc", "0123abc (_commit), is none that the template"),
        ("_src_path: /", "_src_path: /nowhere/", "cannot be reached"),
        ("name: Demo", "nmae: Demo", "does not ask: nmae"),
        ("name: Demo\n", "", "lacks answers: name (default: Demo)"),
        ("include_extra: true", "include_extra: [1, 2]", "include_extra"),
    ],
)
def test_faults_of_the_answers_file(project: Path, old: str, new: str, said: str) -> None:
    edit(project, old, new)
    assert said in evergreen(project, "doctor", status=1).output


def test_an_answer_that_the_template_does_not_offer(template_of: Callable[..., Template], tmp_path: Path) -> None:
    template = template_of({}, size={"type": "str", "choices": ["small", "large"], "default": "small"})
    project = template.project(tmp_path / "project")
    edit(project, "size: small", "size: huge")
    said = evergreen(project, "doctor", status=1).output
    assert "huge" in said
    assert "--set" in said
    template.release("1.1.0", {"new.txt": "new\n"})
    assert "huge" in update(project, status=2).errors


def test_committed_conflict_markers_and_rejected_changes(project: Path) -> None:
    marked = "a\n<<<<<<< before updating\nb\n=======\nc\n>>>>>>> after updating\n"
    work(project, {"settings.txt": marked, "app.py.rej": "@@\n", "docs.md": "A heading\n=======\n"})
    said = evergreen(project, "doctor", status=1).output
    assert "Conflict markers are committed in settings.txt." in said
    assert "app.py.rej" in said
    assert "docs.md" not in said


def test_work_that_is_not_committed_and_an_update_that_waits(project: Path) -> None:
    (project / "app.py").write_text("edited\n")
    assert "not committed: app.py" in evergreen(project, "doctor", status=1).output
    git(project, "checkout", "app.py")
    update(project)
    assert "The update to 1.1.0 is not over" in evergreen(project, "doctor", status=1).output


def test_a_template_for_a_newer_copier(template_of: Callable[..., Template], tmp_path: Path) -> None:
    template = template_of({})
    project = template.project(tmp_path / "project")
    template.release("1.1.0", {}, _min_copier_version="99.0.0")
    said = update(project, status=2).errors
    assert "99.0.0" in said
    assert "99.0.0" in evergreen(project, "doctor", status=1).output


def test_no_project_at_all(tmp_path: Path) -> None:
    assert "no .copier-answers.yml" in evergreen(tmp_path, "doctor", status=2).errors


def test_an_old_git_is_refused(project: Path, tmp_path: Path) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\necho git version 2.30.2\n")
    (tmp_path / "git").chmod(0o755)
    assert "2.30.2" in evergreen(project, "doctor", status=2, PATH=str(tmp_path)).errors
    (tmp_path / "git").unlink()
    assert "git is not installed" in evergreen(project, "doctor", status=2, PATH=str(tmp_path)).errors
