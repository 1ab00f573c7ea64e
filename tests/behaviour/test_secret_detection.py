"""Secrets in a generated project: refused by the real pre-commit, found in the history, and none found where there is none."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.planted_secrets import planted
from support.projects import CommandFailedError, Project
from support.releases import commit_all, git

pytestmark = pytest.mark.verify

FOUND = re.compile(r"^(?:File:|Location:)\s+(\S+?)(?::\d+)?$", re.MULTILINE)
#: Where secrets are left: a file name for each kind of place.
PLACES = {"code": "backend/app/modules/note_{}.py", "a page": "docs/notes/note_{}.md", "an env file": "deploy/note_{}.env"}
COMMENT = {"code": '"""\n{}\n"""\n', "a page": "# Notes\n\n    {}\n", "an env file": "{}\n"}


@pytest.fixture(scope="module")
def hooked(rendered: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with its hooks; pre-commit builds gitleaks once per machine."""
    folder = tmp_path_factory.mktemp("secrets") / "a project"
    shutil.copytree(rendered(), folder)
    git(folder, "init", "--quiet")
    for name, value in (("user.name", "Test"), ("user.email", "test@example.com")):
        git(folder, "config", name, value)
    commit_all(folder, "Start")
    project = Project(folder)
    project.make("hooks")
    return project


@pytest.fixture
def project(hooked: Project) -> Project:
    """The project as it was at first."""
    first = git(hooked.path, "rev-list", "--max-parents=0", "HEAD")
    git(hooked.path, "reset", "--quiet", "--hard", first)
    git(hooked.path, "clean", "-fdq")
    return hooked


def plant(project: Project, place: str) -> dict[str, str]:
    """Leave each of the secrets in a file of its own; return the kinds by file."""
    files = {}
    for number, (kind, text) in enumerate(planted().items()):
        path = PLACES[place].format(number)
        (project.path / path).parent.mkdir(parents=True, exist_ok=True)
        (project.path / path).write_text(COMMENT[place].format(text))
        files[path] = kind
    return files


def missed(files: dict[str, str], output: str) -> list[str]:
    """Return the kinds that no hook has named."""
    return [kind for path, kind in files.items() if path not in set(FOUND.findall(output))]


def test_there_are_forty_kinds_and_each_is_made_up_anew() -> None:
    secrets = planted()
    assert len(secrets) == 40
    assert len(set(secrets.values())) == 40


@pytest.mark.requirement("FR-SEC-011")
@pytest.mark.parametrize("place", PLACES)
def test_a_commit_with_secrets_is_refused(project: Project, place: str) -> None:
    files = plant(project, place)
    before = git(project.path, "rev-parse", "HEAD")
    git(project.path, "add", "--all")
    result = subprocess.run(["git", "commit", "--message", "x"], cwd=project.path, capture_output=True, text=True, check=False)
    output = result.stdout + result.stderr
    assert result.returncode == 1
    assert missed(files, output) == []
    assert git(project.path, "rev-parse", "HEAD") == before
    shown = [kind for kind, text in planted().items() if text.splitlines()[-1] in output]
    assert shown == []  # the terminal's log is no place for them either


@pytest.mark.parametrize("kind", ["aws access key", "password in a url", "rsa private key"])
def test_one_secret_is_enough(project: Project, kind: str) -> None:
    (project.path / "notes.txt").write_text(planted()[kind] + "\n")
    git(project.path, "add", "--all")
    result = subprocess.run(["git", "commit", "--message", "x"], cwd=project.path, capture_output=True, text=True, check=False)
    assert result.returncode == 1


def test_a_commit_without_secrets_is_made(project: Project) -> None:
    (project.path / "backend/app/modules/note.py").write_text('"""Nothing to see."""\n\nPASSWORD_FIELD = "password"\n')
    git(project.path, "add", "--all")
    subprocess.run(["git", "commit", "--quiet", "--message", "Add a note"], cwd=project.path, check=True, capture_output=True)


@pytest.mark.requirement("FR-SEC-012")
def test_ci_finds_what_was_committed_and_deleted(project: Project) -> None:
    """Who commits with --no-verify, or never ran `make hooks`, is caught by CI: the history keeps what a commit deletes."""
    files = plant(project, "code")
    commit = ["git", "commit", "--quiet", "--no-verify", "--message", "x"]
    git(project.path, "add", "--all")
    subprocess.run(commit, cwd=project.path, check=True, capture_output=True)
    git(project.path, "rm", "--quiet", *files)
    subprocess.run(commit, cwd=project.path, check=True, capture_output=True)
    with pytest.raises(CommandFailedError) as failure:
        project.run("sh", "-c", "make secrets 2>&1 | tee /dev/stderr >all; ! grep -q Failed all")
    assert failure.value
    assert missed(files, (project.path / "all").read_text()) == []


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"include_observability": False, "include_github_actions": False},
        {
            "project_name": "Secret Token Store",
            "project_slug": "secret-token-store",
            "author_email": "key@secret.example",
            "api_prefix": "/password",
        },
    ],
    ids=["defaults", "least", "a name full of secrets"],
)
def test_a_new_project_is_clean(rendered: Callable[..., Path], tmp_path: Path, answers: dict[str, object]) -> None:
    folder = tmp_path / "project"
    shutil.copytree(rendered(**answers), folder)
    git(folder, "init", "--quiet")
    commit_all(folder, "Start")
    Project(folder).make("secrets")
