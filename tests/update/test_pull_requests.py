"""The weekly pull request of a project with `github_actions`: its script, with a real remote and a stand-in for GitHub."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import fake_gh
from support.companion import Template, environment, numbered, work
from support.fake_gh import OWNER, Item, empty, item
from support.releases import git
from support.rendering import REPOSITORY, TEMPLATE
from support.tools import program

SCRIPTS = [f"scripts/{name}.sh" for name in ("template", "template-pull-request")]
BRANCH = "template-update"
LINE = "setting 5\n"
RELEASED = {"settings.txt": numbered("setting").replace(LINE, "setting five\n")}
TITLE = "Update the template from 1.0.0 to 1.1.0"
#: As if the command were installed. The template is one that it does not come from, so it is told to trust it.
EVERGREEN = f"""\
#!/bin/sh
case $1 in preview | update) set -- "$@" --trust ;; esac
PYTHONPATH='{REPOSITORY}' exec '{sys.executable}' -m evergreen "$@"
"""


@dataclass
class Site:
    """A project, its remote, and what GitHub knows of it."""

    folder: Path

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def remote(self) -> Path:
        return self.folder / "remote"

    @property
    def items(self) -> list[Item]:
        """Issues and pull requests."""
        return list(self.state["items"])

    @property
    def state(self) -> dict[str, Any]:
        """All that the stand-in keeps."""
        return dict(json.loads((self.folder / "github.json").read_text()))

    def knows(self, **more: object) -> None:
        """Change what GitHub knows."""
        (self.folder / "github.json").write_text(json.dumps(self.state | more))

    def branch(self) -> str:
        """Return the commit of the update's branch on the remote, or nothing."""
        return git(self.remote, "for-each-ref", "--format=%(objectname)", f"refs/heads/{BRANCH}")

    def run(self, *arguments: object, status: int = 0, **more: str) -> str:
        """Run the script, and return what it printed."""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        result = subprocess.run(
            ["sh", SCRIPTS[1], *map(str, arguments)],
            cwd=self.project,
            env=environment(PATH=path, GH_STATE=str(self.folder / "github.json"), **more),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == status, result.stdout + result.stderr
        return result.stdout + result.stderr


def start(folder: Path, template: Template, version: str) -> Site:
    """Generate a project, push it, and put stand-ins for the installed commands."""
    site = Site(folder)
    (folder / "bin").mkdir(parents=True)
    for name, text in {
        "evergreen": EVERGREEN,
        "gh": f"#!/bin/sh\nexec '{sys.executable}' '{fake_gh.__file__}' \"$@\"\n",
    }.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    (folder / "github.json").write_text(json.dumps(empty()))
    template.project(site.project, "--to", version)
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", "remote")
    git(site.project, "remote", "add", "origin", str(site.remote))
    git(site.project, "push", "--quiet", "origin", "main")
    return site


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a site whose update is worked out already, in `site/update`. Tests only read it."""
    program("jq", "jq")
    root = tmp_path_factory.mktemp("sites")
    files = {"settings.txt": numbered("setting"), **{name: (TEMPLATE / name).read_text() for name in SCRIPTS}}
    template = Template.start(root / "template", dict(files))
    template.release("1.1.0", dict(RELEASED), "Text of 1.1.0.")
    another = Template.start(root / "with-workflows", dict(files))
    another.release("1.1.0", {".github/workflows/ci.yml": "on: push\n"})
    made: dict[str, Path] = {}

    def site(kind: str) -> Path:
        if kind not in made:
            chosen = another if kind == "workflows" else template
            found = start(root / kind, chosen, "1.1.0" if kind == "current" else "1.0.0")
            if kind == "conflicts":
                work(found.project, {"settings.txt": numbered("setting").replace(LINE, "ours\n")})
            found.run("prepare", found.folder / "update")
            made[kind] = found.folder
        return made[kind]

    return site


@pytest.fixture
def site(kept: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Site]:
    """Return a site of the test's own, its remote at the same place as seen from the project."""

    def copy(kind: str) -> Site:
        found = Site(Path(shutil.copytree(kept(kind), tmp_path / kind, symlinks=True)))
        git(found.project, "remote", "set-url", "origin", str(found.remote))
        return found

    return copy


Sites = Callable[[str], Site]


def publish(site: Site, status: int = 0, **more: str) -> str:
    return site.run("publish", site.folder / "update", status=status, **more)


def test_nothing_is_opened_when_the_project_is_current_with_a_stand_in_for_github(site: Sites) -> None:
    current = site("current")
    publish(current)
    assert current.items == []
    assert current.branch() == ""


def test_an_update_becomes_one_pull_request_with_a_stand_in_for_github(site: Sites) -> None:
    clean = site("clean")
    clean.knows(items=[item(1, head=f"outsider:{BRANCH}", title="Not ours")])
    before = git(clean.project, "status", "--porcelain", "--branch")
    publish(clean)
    (foreign, pull_request) = clean.items
    assert foreign["title"] == "Not ours"
    assert (pull_request["title"], pull_request["head"], pull_request["base"]) == (TITLE, f"{OWNER}:{BRANCH}", "main")
    assert "`settings.txt`" in pull_request["body"]
    assert "Text of 1.1.0." in pull_request["body"]
    pushed = clean.branch()
    assert git(clean.remote, "show", f"{pushed}:settings.txt") == RELEASED["settings.txt"].strip()
    assert git(clean.remote, "rev-parse", f"{pushed}^") == git(clean.project, "rev-parse", "main")
    assert git(clean.project, "status", "--porcelain", "--branch") == before

    publish(clean)  # the next week
    assert len(clean.items) == 2
    assert clean.branch() == pushed


def test_the_pull_request_follows_the_main_branch_and_is_closed_when_it_is_not_needed(site: Sites) -> None:
    """Both halves at once, as on a developer's machine; GitHub is a stand-in."""
    clean = site("clean")
    publish(clean)
    work(clean.project, {"ours.txt": "ours\n"})
    clean.run()
    assert [one["title"] for one in clean.items] == [TITLE]
    assert git(clean.remote, "rev-parse", f"{clean.branch()}^") == git(clean.project, "rev-parse", "main")
    assert git(clean.remote, "show", f"{clean.branch()}:ours.txt") == "ours"

    (clean.folder / "update" / "outcome").write_text("current\n")  # the team has updated by hand
    publish(clean)
    assert [(one["state"], one["comments"]) for one in clean.items] == [("closed", ["The project is current."])]


def test_commits_of_others_on_the_branch_are_not_overwritten_with_a_stand_in_for_github(site: Sites) -> None:
    clean = site("clean")
    publish(clean)
    git(clean.project, "fetch", "--quiet", "origin", BRANCH)
    git(clean.project, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    pushed = work(clean.project, {"settings.txt": "a person's\n"})
    git(clean.project, "push", "--quiet", "origin", f"HEAD:{BRANCH}")
    git(clean.project, "checkout", "--quiet", "main")
    assert "commits of others" in publish(clean)
    assert clean.branch() == pushed
    clean.knows(items=[])
    assert "Rename or delete it" in publish(clean, status=2)
    assert clean.branch() == pushed


def test_a_release_that_was_turned_down_is_not_offered_again_with_a_stand_in_for_github(site: Sites) -> None:
    clean = site("clean")
    closed = item(1, head=f"{OWNER}:{BRANCH}", title=TITLE, state="closed")
    clean.knows(items=[closed])
    assert "not offered again" in publish(clean)
    assert clean.branch() == ""
    clean.knows(items=[closed | {"title": "Update the template from 1.0.0 to 1.0.5"}])
    publish(clean)
    assert [one["title"] for one in clean.items if one["state"] == "open"] == [TITLE]


def test_conflicts_become_one_issue_that_the_pull_request_closes_with_a_stand_in_for_github(site: Sites) -> None:
    conflicts, clean = site("conflicts"), site("clean")
    for _ in range(2):
        publish(conflicts, status=1)
    (issue,) = conflicts.items
    assert issue["labels"] == [BRANCH]
    assert "<<<<<<< yours\nours\n" in issue["body"]
    assert "docs/how-to/update-from-the-template.md" in issue["body"]
    assert conflicts.branch() == ""

    clean.knows(items=[issue | {"labels": []}, issue | {"number": 2}], labels=[BRANCH])  # the first is an outsider's
    publish(clean)
    outsiders, solved, pull_request = clean.items
    assert outsiders["state"] == pull_request["state"] == "open"
    assert (solved["state"], solved["comments"]) == ("closed", ["The update is offered by #3."])


def test_workflows_that_the_token_may_not_push_are_named_in_an_issue_with_a_stand_in_for_github(site: Sites) -> None:
    workflows = site("workflows")
    said = publish(workflows, status=1, GITHUB_TOKEN="of Actions", GH_TOKEN="of Actions")
    assert ".github/workflows/ci.yml" in said
    assert ".github/workflows/ci.yml" in workflows.items[0]["body"]
    assert workflows.branch() == ""

    refuse = workflows.remote / "hooks" / "pre-receive"
    refuse.write_text("#!/bin/sh\nexit 1\n")
    refuse.chmod(0o755)
    assert ".github/workflows/ci.yml" in publish(workflows, status=1, GITHUB_TOKEN="of Actions", GH_TOKEN="the team's")
    refuse.unlink()
    publish(workflows, GITHUB_TOKEN="of Actions", GH_TOKEN="the team's")
    assert workflows.branch() != ""
    assert [one["state"] for one in workflows.items] == ["closed", "open"]


def test_what_fails_is_said_and_ends_with_2_with_a_stand_in_for_github(site: Sites, tmp_path: Path) -> None:
    clean = site("clean")
    assert "GitHub refused a pull request" in publish(clean, status=2, GH_REFUSES="1")
    refuse = clean.remote / "hooks" / "pre-receive"
    refuse.write_text("#!/bin/sh\nexit 1\n")
    refuse.chmod(0o755)
    git(clean.remote, "branch", "--delete", "--force", BRANCH)
    assert "could not be pushed" in publish(clean, status=2)
    work(clean.project, {"ours.txt": "ours\n"})
    assert "Prepare it again" in publish(clean, status=2)
    git(clean.project, "checkout", "--quiet", "--detach")
    assert "No branch is checked out" in publish(clean, status=2)
    assert "Unknown: other" in clean.run("other", status=2)
    assert clean.items == []
    (clean.project / ".copier-answers.yml").write_text("_src_path: /nowhere\n_commit: v1.0.0\n")
    git(clean.project, "commit", "--quiet", "--all", "--message=Break")
    assert "cannot be reached" in clean.run("prepare", tmp_path / "none", status=2)
    (clean.folder / "bin" / "evergreen").write_text("#!/bin/sh\nexit 1\n")  # as when it cannot even start
    clean.run("prepare", tmp_path / "none", status=2)
    assert not (tmp_path / "none" / "outcome").exists()


def test_a_text_that_github_would_not_take_is_cut_between_lines(site: Sites) -> None:
    clean = site("clean")
    (clean.folder / "update" / "preview.md").write_text(("ä" * 99 + "\n") * 400)
    publish(clean)
    body = clean.items[0]["body"]
    assert "It is cut short" in body
    assert 59000 < len(body.encode()) < 65536
    assert body.endswith("\n" + "ä" * 99 + "\n")
