"""Projects that are unlike the usual one: an update is right in them, or refused with the way out before anything has changed."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.companion import Template, evergreen, numbered, refs, state, update, work
from support.releases import commit_all, git

SECRET = "my own big file\n"


def add_submodule(project: Path, template: Template, path: str) -> None:
    """Commit a submodule."""
    git(project, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(template.folder), path)
    commit_all(project, "Add a submodule")


@pytest.mark.parametrize("kind", ["link", "submodule"])
def test_a_folder_of_the_template_that_the_team_has_replaced(project: Path, small: Template, tmp_path: Path, kind: str) -> None:
    """Git moves the link or submodule out of the way of a file that stays deleted; it belongs where it was."""
    git(project, "rm", "-r", "--quiet", "deep")
    (tmp_path / "outside/er").mkdir(parents=True)
    (tmp_path / "outside/er/file.txt").write_text("precious\n")
    if kind == "link":
        (project / "deep").symlink_to(tmp_path / "outside")
        commit_all(project, "Link")
    else:
        add_submodule(project, small, "deep")
    before = state(project)
    found = update(project, "--json").data
    assert found["stays_deleted"] == ["deep/er/file.txt"]
    assert git(project, "diff", "--cached", "--name-only", "--", "deep", "deep~yours") == ""
    assert (project / "deep").is_symlink() if kind == "link" else (project / "deep/copier.yml").exists()
    assert (tmp_path / "outside/er/file.txt").read_text() == "precious\n"
    evergreen(project, "abort", status=0)
    assert state(project) == before


def test_a_submodule_in_the_place_of_a_file_that_the_template_removes(project: Path, small: Template) -> None:
    git(project, "rm", "--quiet", "gone.txt")
    add_submodule(project, small, "gone.txt")
    assert update(project, "--json").data["stays_moved"] == ["gone.txt"]
    assert (project / "gone.txt/copier.yml").exists()


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_place_for_what_is_kept_aside_that_is_no_folder(project: Path, tmp_path: Path, kind: str) -> None:
    work(project, {"gone.txt": "edited\n"})
    if kind == "file":
        work(project, {".evergreen": "ours\n"})
    else:
        (project / ".git/info/exclude").write_text(".evergreen\n")
        (project / ".evergreen").symlink_to(tmp_path)
    before = git(project, "status", "--porcelain"), refs(project)
    assert ".evergreen is where updates keep files aside" in update(project, status=2).errors
    assert (git(project, "status", "--porcelain"), refs(project)) == before


def test_a_repository_with_long_ids(generated: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    subprocess.run(["cp", "-R", str(generated), str(project)], check=True)
    subprocess.run(["rm", "-r", str(project / ".git")], check=True)
    git(project, "init", "--quiet", "--object-format=sha256")
    work(project, {"settings.txt": numbered("setting").replace("setting 5\n", "ours\n")})
    update(project, status=1)
    assert "<<<<<<< yours\nours\n" in (project / "settings.txt").read_text()
    assert "UU settings.txt" in git(project, "status", "--porcelain")


@pytest.mark.parametrize(("taken", "name"), [("update/x", "update"), ("update", "update/x")])
def test_a_branch_that_git_cannot_have(project: Path, taken: str, name: str) -> None:
    git(project, "branch", taken)
    before = state(project)
    assert f"beside {taken}" in update(project, "--branch", name, status=2).errors
    assert state(project) == before


def test_a_branch_whose_commit_fails_waits(project: Path) -> None:
    git(project, "config", "commit.gpgSign", "true")
    git(project, "config", "gpg.program", "/bin/false")
    head = git(project, "rev-parse", "HEAD")
    found = update(project, "--branch", "update", "--json", status=1)
    assert "stays staged" in found.errors
    assert found.data["committed"] is None
    git(project, "config", "commit.gpgSign", "false")
    evergreen(project, "finish", status=0)
    assert git(project, "rev-parse", "update^") == head


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda project: (project / ".git/index.lock").touch(), "index.lock"),
        (lambda project: git(project, "rm", "--quiet", "--cached", ".copier-answers.yml"), "not committed"),
        (lambda project: (project / ".copier-answers.yml").rename(project / "real.yml"), "is a link"),
    ],
)
def test_what_is_refused_before_anything_has_changed(project: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(project)
    if (project / "real.yml").exists():
        (project / ".copier-answers.yml").symlink_to("real.yml")
    if said != "index.lock":
        work(project, {".gitignore": "/local/\n/.copier-answers.yml\n"})
    assert said in update(project, status=2).errors
    assert not (project / ".git/evergreen/journal.json").exists()


def test_a_part_of_a_checkout_is_no_project_to_preview(project: Path) -> None:
    git(project, "sparse-checkout", "set", "deep")
    assert "sparse" in evergreen(project, "preview", "--trust", status=2).errors


def test_folders_that_cannot_be_written_to(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said by a stand-in: root, who runs the tests in CI, may write everywhere."""
    monkeypatch.setattr("evergreen.preparing.os.access", lambda folder, _: folder != project / "deep/er")
    before = state(project)
    assert "cannot be replaced: deep/er" in update(project, status=2).errors
    assert state(project) == before


def test_a_repository_of_somebody_else_is_not_called_none(project: Path) -> None:
    """Git's own way out is shown, not the advice to run `git init`."""
    said = evergreen(project, "check", status=2, GIT_TEST_ASSUME_DIFFERENT_OWNER="1").errors
    assert "safe.directory" in said
    assert "git init" not in said


def test_a_migration_in_a_project_with_a_filter(template_of: Callable[..., Template], tmp_path: Path) -> None:
    """What the repository holds is another text than the files; the migration's checkout must not filter it twice."""
    template = template_of({"data.big": numbered("big"), "a.txt": "a\n"})
    project = template.project(tmp_path / "project")
    for name, value in {"clean": "tr a-z b-za", "smudge": "tr b-za a-z", "required": "true"}.items():
        git(project, "config", f"filter.swap.{name}", value)
    work(project, {".gitattributes": "*.big filter=swap\n", "own.big": SECRET})
    git(project, "add", "--renormalize", ".")
    work(project, {})
    template.release("1.1.0", {"a.txt": "b\n"}, _migrations=[{"command": "touch made", "when": "{{ _stage == 'before' }}"}])
    update(project)
    assert (project / "own.big").read_text() == SECRET
    assert git(project, "diff", "--cached", "--name-only") == ".copier-answers.yml\na.txt\nmade"


def test_what_is_kept_is_what_was_on_the_disk(project: Path) -> None:
    """Not what the repository holds: for Git LFS that would be a pointer."""
    edited = numbered("gone") + "ours\n"
    git(project, "config", "filter.swap.clean", "tr a-z b-za")
    git(project, "config", "filter.swap.smudge", "tr b-za a-z")
    work(project, {".gitattributes": "gone.txt filter=swap\nlogo.png filter=swap\n", "gone.txt": edited, "logo.png": b"\0ours"})
    git(project, "add", "--renormalize", ".")
    work(project, {})
    update(project)
    assert (project / ".evergreen/1.1.0/yours/gone.txt").read_text() == edited
    assert (project / ".evergreen/1.1.0/template/logo.png").read_bytes() == b"\0\1\3"


def test_versions_that_are_no_usual_release(small: Template, project: Path, tmp_path: Path) -> None:
    template = tmp_path / "template"
    git(tmp_path, "clone", "--quiet", str(small.folder), str(template))
    git(template, "commit", "--quiet", "--allow-empty", "--message", "Try")
    git(template, "tag", "v1.2.0rc1")
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(str(small.folder), str(template)))
    commit_all(project, "The template moved")
    assert evergreen(project, "check", "--json", status=1).data["newest"] == "1.1.0", "a pre-release is no release"
    evergreen(project, "update", "--trust", "--to", "1.2.0rc1", status=0)
    evergreen(project, "finish", status=0)
    assert "1.2.0rc1 is newer than the newest release, 1.1.0" in evergreen(project, "check", status=0).output
    answers.write_text(answers.read_text().replace("v1.2.0rc1", "v1.0.0-3-gdeadbee"))
    commit_all(project, "A commit that is gone")
    assert "Put the nearest release into _commit" in update(project, status=2).errors
