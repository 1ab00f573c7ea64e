"""Secrets in a generated project: refused by the real pre-commit, found in the history, and none found where there is none."""

import json
import os
import pty
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from support.planted_secrets import planted
from support.projects import DEFAULT_TIMEOUT, PACKAGES, CommandFailedError, Project, clean_environment, run_to_end
from support.releases import commit_all, git

pytestmark = pytest.mark.verify

PRE_COMMIT = ".tools/pre-commit/bin/pre-commit"
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


def with_tools_of(project: Project, folder: Path) -> None:
    """Spare another project the installing of pre-commit."""
    (folder / ".tools").symlink_to(project.path / ".tools")


def plant(project: Project, place: str) -> dict[str, str]:
    """Leave each of the secrets in a file of its own; return the kinds by file."""
    files = {}
    for number, (kind, text) in enumerate(planted().items()):
        path = PLACES[place].format(number)
        (project.path / path).parent.mkdir(parents=True, exist_ok=True)
        (project.path / path).write_text(COMMENT[place].format(text))
        files[path] = kind
    return files


def commit(project: Project) -> subprocess.CompletedProcess[str]:
    """Commit everything, as a developer would; `stdout` is all that is read then."""
    git(project.path, "add", "--all")
    command = ["git", "commit", "--message", "x"]
    return run_to_end(command, clean_environment(), DEFAULT_TIMEOUT, project.path)


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


def test_a_secret_that_only_a_merge_has_is_found(project: Project) -> None:
    """`git log` shows what a merge changes only when it is asked to; and GitHub's own editor merges past every hook."""
    for branch in ("one", "two"):
        git(project.path, "checkout", "--quiet", "-b", branch, "HEAD" if branch == "one" else "HEAD~1")
        (project.path / "note.py").write_text(f"WRITTEN_ON = {branch!r}\n")
        git(project.path, "add", "--all")
        git(project.path, "commit", "--quiet", "--no-verify", "--message", branch)
    git(project.path, "merge", "--quiet", "--strategy=ours", "--no-commit", "one")
    (project.path / "note.py").write_text(f"{planted()['github token']}\n")
    git(project.path, "add", "--all")
    git(project.path, "commit", "--quiet", "--no-verify", "--message", "Merge")
    git(project.path, "rm", "--quiet", "note.py")
    git(project.path, "commit", "--quiet", "--no-verify", "--message", "Remove")
    (project.path / "reports").mkdir(exist_ok=True)
    with pytest.raises(CommandFailedError, match="github-pat"):
        project.run(PRE_COMMIT, "run", "gitleaks-history", "--hook-stage", "manual", "--all-files")


def test_what_could_not_be_looked_at_is_not_clean(project: Project, tmp_path: Path) -> None:
    """Gitleaks ends with 0 when git refuses it; and it cannot see what a shallow clone lacks."""
    (project.path / "note.txt").write_text("x\n")
    git(project.path, "add", "--all")
    git(project.path, "commit", "--quiet", "--message", "x")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{project.path}", "shallow")
    shallow = Project(tmp_path / "shallow")
    with_tools_of(project, shallow.path)
    with pytest.raises(CommandFailedError, match="NOT RUN: this clone holds only the end of the history"):
        shallow.make("secrets")
    git(shallow.path, "fetch", "--quiet", "--unshallow")
    git(shallow.path, "update-ref", "-d", "HEAD")
    git(shallow.path, "read-tree", "--empty")
    with pytest.raises(CommandFailedError, match="NOT RUN: nothing is known about secrets"):
        shallow.make("secrets")


def test_a_configuration_without_the_hooks_is_not_clean(project: Project) -> None:
    """A team that had one of its own keeps it."""
    (project.path / ".pre-commit-config.yaml").write_text("repos: []\n")
    with pytest.raises(CommandFailedError, match=r"NOT RUN: \.pre-commit-config\.yaml has no hook gitleaks-history"):
        project.make("secrets")


@pytest.mark.parametrize("path", ["frontend/package-lock.json", "backend/uv.lock", "frontend/public/logo.svg"])
def test_what_both_tools_would_pass_over_is_looked_at(project: Project, path: str) -> None:
    (project.path / path).write_text(f"{planted()['password in a url']}\n")
    result = commit(project)
    assert result.returncode == 1
    assert set(FOUND.findall(result.stdout)) == {path}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("note.py", 'TOKEN = "{}"  # made up for a test; gitleaks:allow # pragma: allowlist secret'),
        ("note.ts", 'const token = "{}"; // made up for a test; gitleaks:allow // pragma: allowlist secret'),
        ("note.md", "{} <!-- gitleaks:allow --><!-- pragma: allowlist secret -->"),
    ],
)
def test_a_line_can_be_marked_as_the_page_says(project: Project, path: str, line: str) -> None:
    token = planted()["github token"].partition("=")[2]
    (project.path / path).write_text(line.format(token) + "\n")
    assert commit(project).returncode == 0


def test_a_development_secret_of_several_words_is_none(project: Project) -> None:
    line = "DB_PASSWORD=billing-service-development\nURL=postgresql://app:billing-service-development@db.internal/app\n"
    (project.path / "note.env").write_text(line)
    assert commit(project).returncode == 0


def answer_yes(project: Project, *command: str) -> int:
    """Run a command at a terminal, answer each of its questions with yes, and return its exit status."""
    ours, theirs = pty.openpty()
    environment = clean_environment() | project.environment
    with subprocess.Popen(command, cwd=project.path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        asked = b""
        with suppress(OSError):  # Linux's way to say that nobody writes any more
            while said := os.read(ours, 4096):
                asked += said
                if b"(q)uit: " in asked:
                    os.write(ours, b"y\n")
                    asked = b""
        os.close(ours)
        return process.wait(60)


def test_only_what_was_called_no_secret_is_accepted(project: Project) -> None:
    """By the page's own steps. What its scan has written down, detect-secrets itself accepts, whatever the answer was."""
    value = "Zk3jRw8QpL2xV9nB4m" + "T7cY1sD6fG0hJ5"
    (project.path / "note.json").write_text(json.dumps({"apiKey": value}) + "\n")
    rules = project.path / ".gitleaks.toml"
    rules.write_text(rules.read_text().replace("regexes = ['''^eyJ", f"regexes = ['''^{value}$''', '''^eyJ"))
    git(project.path, "add", "--all")
    assert answer_yes(project, "make", "secrets-baseline") == 0
    baseline = project.path / ".secrets.baseline"
    accepted = baseline.read_text()
    for answered in (
        accepted.replace('"is_secret": false', '"is_secret": true'),
        re.sub(r',\s*"is_secret": false', "", accepted),
    ):
        assert answered != accepted
        baseline.write_text(answered)
        result = commit(project)
        assert result.returncode == 1
        assert re.findall(r"^(.*?)\.{3,}Failed$", result.stdout, re.MULTILINE) == [
            "detect-secrets (what is accepted has been looked at, and is no secret)"
        ]
    baseline.write_text(accepted)
    result = commit(project)
    assert result.returncode == 0, result.stdout


def test_the_hook_comes_back_after_make_clean(project: Project) -> None:
    """Else each commit is refused with a question about an environment that nobody has heard of."""
    assert "pre-commit" not in project.make("--dry-run", "install")
    (project.path / ".tools").rename(project.path / ".tools.away")
    try:
        assert "pre-commit" in project.make("--dry-run", "install")
    finally:
        (project.path / ".tools.away").rename(project.path / ".tools")


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
def test_a_new_project_is_clean(
    rendered: Callable[..., Path], hooked: Project, tmp_path: Path, answers: dict[str, object]
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(rendered(**answers), folder)
    git(folder, "init", "--quiet")
    commit_all(folder, "Start")
    with_tools_of(hooked, folder)
    Project(folder).make("secrets")


def test_lock_files_and_settings_are_clean(project: Project, workshop: Callable[..., Project]) -> None:
    """What `make install` and the README have a developer add."""
    installed = workshop().path
    names = ["backend/uv.lock", *(f"{folder}/package-lock.json" for folder in PACKAGES)]
    for name in names:
        shutil.copy2(installed / name, project.path / name)
    shutil.copy2(project.path / ".env.example", project.path / ".env")
    result = commit(project)
    assert result.returncode == 0, result.stdout
    assert set(git(project.path, "show", "--name-only", "--format=", "HEAD").split()) == set(names)
