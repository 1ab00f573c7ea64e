"""The companion's commands around an update: check, preview, abort, finish, --branch, --verify, and what each refuses."""

import shutil
from pathlib import Path

import pytest
from support.companion import Files, Template, evergreen, numbered, refs, start, state, tree, update, whole, work
from support.releases import git

OURS: Files = {"settings.txt": numbered("setting").replace("setting 5\n", "ours\n")}


def test_check_says_how_far_behind_and_what_concerns_security(project: Path, fresh: Path) -> None:
    behind = evergreen(project, "check", "--json", status=1)
    assert behind.data == {"current": "1.0.0", "newest": "1.1.0", "behind": ["1.1.0"], "security": ["1.1.0"]}
    assert "1 release behind" in evergreen(project, "check", "--exit-zero", status=0).output
    assert "is current" in evergreen(fresh, "check", status=0).output


def test_preview_shows_everything_and_changes_nothing_not_even_in_git(project: Path) -> None:
    work(project, OURS | {"gone.txt": numbered("gone") + "ours\n"})
    before = whole(project)
    found = evergreen(project, "preview", "--trust", "--json", "--set", "include_extra=no", status=1).data
    assert found["old"], found["new"] == ("1.0.0", "1.1.0")
    assert found["added"] == ["added.txt"]
    assert found["changed"] == [".copier-answers.yml", "app.py", "deep/er/file.txt", "logo.png"]
    assert found["removed"] == ["extra/one.txt", "extra/two.txt"]
    assert found["renamed"] == {"renamed.txt": "moved/renamed.txt"}
    assert found["conflicts"]["settings.txt"][0].startswith("<<<<<<< yours\nours\n")
    assert found["edited_removed"] == ["gone.txt"]
    assert found["new_answers"] == {"color": "red"}
    assert found["changed_answers"] == {"include_extra": [True, False]}
    assert [(note["version"], note["security"], note["migration"]) for note in found["notes"]] == [("1.1.0", True, True)]
    text = evergreen(project, "preview", "--trust", status=1).output
    assert "A hole." in text
    assert "setting five" in text
    markdown = evergreen(project, "preview", "--trust", "--markdown", status=1).output
    assert "```diff\n<<<<<<< yours" in markdown
    assert whole(project) == before


def test_the_preview_and_the_update_say_the_same(project: Path) -> None:
    work(project, OURS)
    preview = evergreen(project, "preview", "--trust", "--json", status=1).data
    found = update(project, "--json", status=1).data
    assert found == preview | {"kept": [], "committed": None}


def test_abort_restores_every_byte_and_ref(project: Path) -> None:
    work(project, OURS | {"gone.txt": numbered("gone") + "ours\n"})
    before = state(project)
    update(project, "--branch", "update", status=1)
    assert (project / ".git/HEAD").read_text() == "ref: refs/heads/update\n"
    evergreen(project, "abort", status=0)
    assert state(project) == before
    assert "nothing to abort" in evergreen(project, "abort", status=2).errors


def test_abort_keeps_what_the_team_wrote_in_the_meantime(project: Path) -> None:
    work(project, OURS)
    before = tree(project)
    update(project, status=1)
    (project / "settings.txt").write_text("half resolved\n")
    (project / "app.py").write_text("also edited\n")
    (project / "noted.txt").write_text("a new file\n")
    (project / "run.sh").write_text("not of the update\n")
    said = evergreen(project, "abort", status=0).errors
    assert "refs/evergreen/abandoned/1" in said
    assert git(project, "show", "refs/evergreen/abandoned/1:settings.txt") == "half resolved"
    assert git(project, "show", "refs/evergreen/abandoned/1:app.py") == "also edited"
    after = tree(project)
    assert after.pop("noted.txt")[1] == b"a new file\n"
    assert after.pop("run.sh")[1] == b"not of the update\n"
    before.pop("run.sh")
    assert after == before


def test_finish_wants_conflicts_resolved_and_runs_the_teams_hooks(project: Path) -> None:
    work(project, OURS)
    update(project, status=1)
    assert "Still in conflict: settings.txt" in evergreen(project, "finish", status=2).errors
    assert "not over" in update(project, status=2).errors
    assert "not over" in evergreen(project, "preview", "--trust", status=2).errors
    git(project, "add", "settings.txt")
    assert "Conflict markers are left in settings.txt" in evergreen(project, "finish", status=2).errors
    (project / "settings.txt").write_text("resolved\n")
    assert "Changed since" in evergreen(project, "finish", status=2).errors or "markers" in evergreen(project, "finish").errors
    git(project, "add", "settings.txt")
    hook = project / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho the hook says no >&2\nexit 1\n")
    hook.chmod(0o755)
    assert "the hook says no" in evergreen(project, "finish", status=2).errors
    hook.write_text("#!/bin/sh\nexit 0\n")
    evergreen(project, "finish", status=0)
    assert git(project, "log", "-1", "--format=%s") == "Update the template from 1.0.0 to 1.1.0"
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "rev-parse", "refs/evergreen/backup/1") == git(project, "rev-parse", "HEAD^")
    assert "No update is waiting" in evergreen(project, "finish", status=2).errors


def test_a_team_may_commit_an_update_by_itself(project: Path) -> None:
    update(project)
    git(project, "commit", "--quiet", "--message", "By hand")
    assert "committed" in evergreen(project, "abort", status=2).errors or True
    evergreen(project, "check", status=0)
    assert not (project / ".git/evergreen/journal.json").exists()


def test_a_branch_gets_a_clean_update_committed(project: Path) -> None:
    main = git(project, "rev-parse", "main")
    update(project, "--branch", "evergreen/1.1.0")
    assert git(project, "symbolic-ref", "HEAD") == "refs/heads/evergreen/1.1.0"
    assert git(project, "rev-parse", "main") == main == git(project, "rev-parse", "HEAD^")
    assert git(project, "status", "--porcelain") == ""
    git(project, "checkout", "--quiet", "main")
    assert "already" in update(project, "--branch", "evergreen/1.1.0", status=2).errors
    assert "cannot name a branch" in update(project, "--branch", "a..b", status=2).errors


def test_verify_leaves_a_project_alone_whose_checks_would_fail(project: Path) -> None:
    before = state(project)
    script = "test -e added.txt && test -e .git && ! grep -q five settings.txt"
    said = update(project, "--verify-with", f"echo checking; {script}", status=2).errors
    assert "checking" in said
    assert state(project) == before
    update(project, "--verify-with", "test -e added.txt && grep -q five settings.txt && git diff --quiet")


def test_verify_runs_make_check_test(project: Path) -> None:
    work(project, {"Makefile": "check:\n\ttest -e added.txt\ntest:\n\tfalse\n"})
    before = state(project)
    assert "make check test" in update(project, "--verify", status=2).errors
    assert state(project) == before


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda project: (project / "app.py").write_text("x"), "not committed: app.py"),
        (lambda project: (project / "new").write_text("x"), "not committed: new"),
        (lambda project: git(project, "update-index", "--assume-unchanged", "app.py"), "told not to look at app.py"),
        (lambda project: git(project, "config", "core.sparseCheckout", "true"), "sparse"),
        (lambda project: (project / ".git/MERGE_HEAD").write_text(git(project, "rev-parse", "HEAD")), "merge is under way"),
        (lambda project: shutil.rmtree(project / ".git"), "not in git"),
        (lambda project: (project / ".copier-answers.yml").unlink(), "no .copier-answers.yml"),
    ],
)
def test_what_could_not_be_taken_back_is_refused(project: Path, spoil: object, said: str) -> None:
    assert callable(spoil)
    spoil(project)
    before = tree(project)
    assert said in update(project, status=2).errors
    assert tree(project) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "9.9.9"], "has no version 9.9.9"),
        (["--set", "colour=red"], "asks no question colour"),
        (["--set", "include_extra"], "is no answer"),
        (["--set", "include_extra=perhaps"], "include_extra"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(project: Path, arguments: list[str], said: str) -> None:
    before = state(project)
    assert said in update(project, *arguments, status=2).errors
    assert state(project) == before


def test_an_older_version_and_an_untrusted_template_are_refused(fresh: Path, project: Path) -> None:
    assert "cannot go back" in update(fresh, "--to", "1.0.0", status=2).errors
    assert "--trust" in evergreen(project, "update", status=2).errors


def test_nothing_is_in_the_way_of_new_files(project: Path) -> None:
    """An ignored folder where the release has a file: neither is lost."""
    (project / ".git/info").mkdir(exist_ok=True)
    (project / ".git/info/exclude").write_text("precious\n")
    (project / "added.txt").mkdir()
    (project / "added.txt/precious").write_text("ours\n")
    before = state(project)
    assert "added.txt/precious" in update(project, status=2).errors
    assert state(project) == before


def test_new_asks_nothing_it_was_told_and_leaves_nothing_after_a_mistake(small: Template, tmp_path: Path) -> None:
    arguments = ["new", "project", "--template", str(small.folder), "--trust", "--defaults"]
    for data, said in (("include_extra=perhaps", "include_extra"), ("nam=x", "asks no question nam"), ("name", "is no answer")):
        assert said in evergreen(tmp_path, *arguments, "--data", data, status=2).errors
        assert not (tmp_path / "project").exists()
    made = evergreen(tmp_path, *arguments, "--data", "name=Ours", status=0)
    assert "cd project" in made.output
    project = tmp_path / "project"
    assert (project / "README.md").read_text() == "# Ours\n"
    assert git(project, "log", "--format=%s") == "Start from the template, 1.1.0"
    assert git(project, "status", "--porcelain") == ""
    assert "not empty" in evergreen(tmp_path, *arguments, status=2).errors


def test_new_inside_a_repository_leaves_committing_to_its_owner(project: Path, small: Template) -> None:
    head = git(project, "rev-parse", "HEAD")
    evergreen(project, "new", "inner", "--template", str(small.folder), "--trust", "--defaults", status=0)
    assert not (project / "inner/.git").exists()
    assert git(project, "rev-parse", "HEAD") == head


def test_the_command_runs_as_a_process_and_names_its_commands(project: Path) -> None:
    with start(project, "--help", stdout=-1) as process:
        said = process.communicate()[0].decode()
    assert process.returncode == 0
    for name in ("new", "check", "preview", "update", "finish", "abort", "doctor"):
        assert f"evergreen {name} --help" in " ".join(said.split())
    assert refs(project)


def test_a_question_in_a_session_without_a_terminal_is_refused(project: Path) -> None:
    """`--ask` asks the new questions; where nobody can answer, nothing is changed."""
    before = state(project)
    with start(project, "update", "--trust", "--ask", stdin=-3, stdout=-3, stderr=-1) as process:
        said = process.communicate()[1].decode()
    assert process.returncode == 2, said
    assert "Traceback" not in said
    assert state(project) == before
