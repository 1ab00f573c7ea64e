"""A release that would cost a team something is refused, unless a migration speaks of it.

Each case is a small template at the last release and a change to it: first without, then with what the migration declares.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from check_release import SUPPORTED_FROM, check, compare, last_published, last_release
from releases import ReleaseError
from support.releases import commit_all, git, start_repository

from migrations.model import Migration

SETTINGS = """\
_subdirectory: template
_templates_suffix: .jinja
_answers_file: .copier-answers.yml
---
!include questions/all.yml
"""
QUESTIONS = """\
name: {type: str, default: acme}
port: {type: int, default: 8000, validator: "{% if port < 1024 %}too low{% endif %}"}
database: {type: str, choices: [postgres, mysql], default: postgres}
include_sentry: {type: bool, default: false}
computed: {type: str, default: "18", when: false}
"""
OWNERSHIP = """\
| pattern | owner | what it is |
|---|---|---|
| `/modules/` | team | theirs |
| `/*` | template | ours |
"""
FILES = {
    "questions/all.yml": QUESTIONS,
    "copier.yml": SETTINGS,
    "template/.copier-answers.yml.jinja": "{{ _copier_answers | to_nice_yaml }}",
    "template/docs/explanation/ownership.md": OWNERSHIP,
    "template/modules/seam.py": "SEAM = []\n",
    "template/owned.py": "OWNED = 1\n",
    "template/{% if include_sentry %}sentry.py{% endif %}": "SENTRY = 1\n",
    "template/{% if not include_sentry %}silent.py{% endif %}": "SILENT = 1\n",
}


@dataclass
class Case:
    """A change by a release, what it is refused for, and what makes it good."""

    refusal: str
    migration: Migration
    write: dict[str, str] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    ask: dict[str, object] = field(default_factory=dict)


CASES = {
    "a file is deleted": Case("owned.py is gone", Migration(removed=("owned.py",)), delete=("template/owned.py",)),
    "a file is renamed": Case(
        "owned.py is gone",
        Migration(moved={"owned.py": "other.py"}),
        write={"template/other.py": "OWNED = 1\n"},
        delete=("template/owned.py",),
    ),
    "a feature's file is deleted": Case(
        "sentry.py is gone", Migration(removed=("sentry.py",)), delete=("template/{% if include_sentry %}sentry.py{% endif %}",)
    ),
    "a file that only projects without a feature have": Case(
        "silent.py is gone",
        Migration(removed=("silent.py",)),
        delete=("template/{% if not include_sentry %}silent.py{% endif %}",),
    ),
    "a choice is removed": Case(
        "lost its choice 'mysql'",
        Migration(choices={"database": {"mysql": "postgres"}}),
        ask={"database": {"type": "str", "choices": {"PostgreSQL": "postgres"}, "default": "postgres"}},
    ),
    "a question is renamed": Case(
        "The question name is gone",
        Migration(answers={"name": "title"}),
        ask={"name": None, "title": {"type": "str", "default": "acme"}},
    ),
    "a question is dropped": Case("The question name is gone", Migration(dropped=("name",)), ask={"name": None}),
    "a question is asked no more": Case(
        "The question name is gone", Migration(dropped=("name",)), ask={"name": {"type": "str", "default": "x", "when": False}}
    ),
    "a type changes": Case(
        "is of type str",
        Migration(answers={"port": "endpoint"}, dropped=("port",)),
        ask={"port": {"type": "str", "default": "8000"}},
    ),
    "a seam changes": Case(
        "modules/seam.py belongs to the team",
        Migration(seams=("modules/seam.py",)),
        write={"template/modules/seam.py": "SEAM = [1]\n"},
    ),
}
HARMLESS = {
    "a file is added": Case("", Migration(), write={"template/added.py": "ADDED = 1\n"}),
    "a template-owned file changes": Case("", Migration(), write={"template/owned.py": "OWNED = 2\n"}),
    "a choice and a question are added": Case(
        "",
        Migration(),
        ask={
            "database": {"type": "str", "choices": ["sqlite", "postgres", "mysql"], "default": "sqlite"},
            "include_backups": {"type": "bool", "default": True},
        },
    ),
    "a default changes": Case("", Migration(), ask={"port": {"type": "int", "default": 9000}}),
    "a computed value goes": Case("", Migration(), ask={"computed": None}),
    "a file needs answers now": Case(
        "", Migration(), write={"template/owned.py.jinja": "OWNED = 1\n"}, delete=("template/owned.py",)
    ),
}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "old" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "old"


@pytest.fixture
def findings(old: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Return a function that applies a case's change and returns what stands against it."""

    def check(case: Case, *migrations: Migration) -> list[str]:
        new = tmp_path / f"new-{len(migrations)}"
        shutil.copytree(old, new)
        for name, content in case.write.items():
            (new / name).write_text(content)
        for name in case.delete:
            (new / name).unlink()
        asked = yaml.safe_load(QUESTIONS) | case.ask
        kept = {name: question for name, question in asked.items() if question is not None}
        (new / "questions/all.yml").write_text(yaml.safe_dump(kept))
        return compare(old, new, list(migrations), tmp_path / f"rendered-{len(migrations)}")

    return check


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_a_loss_is_refused_without_a_migration(case: Case, findings: Callable[..., list[str]]) -> None:
    (finding,) = findings(case)
    assert case.refusal in finding
    assert findings(case, case.migration) == []


@pytest.mark.parametrize("case", HARMLESS.values(), ids=list(HARMLESS))
def test_what_costs_nothing_is_not_refused(case: Case, findings: Callable[..., list[str]]) -> None:
    assert findings(case) == []


def test_a_tightened_validator_is_refused(findings: Callable[..., list[str]]) -> None:
    stricter = {"type": "int", "default": 9000, "validator": "{% if port < 9000 %}port {{ port }} is too low{% endif %}"}
    (first, *_) = findings(Case("", Migration(), ask={"port": stricter}))
    assert "port 8000 is too low" in first


def test_a_move_to_nowhere_is_refused(findings: Callable[..., list[str]]) -> None:
    (finding,) = findings(CASES["a file is deleted"], Migration(moved={"owned.py": "nowhere.py"}))
    assert "declared as moved to nowhere.py, which is not rendered" in finding


def release(folder: Path, version: str) -> str:
    (folder / "pyproject.toml").write_text(f'version = "{version}"\n')
    with (folder / "CHANGELOG.md").open("a") as changelog:
        changelog.write(f"## [{version}] - 2026-01-01\n\nText.\n")
    return commit_all(folder, f"Release {version}")


def test_the_release_to_compare_with(tmp_path: Path) -> None:
    """Between releases it is the last; on the commit of a release it is the one before."""
    (tmp_path / "README.md").write_text("# Read\n")
    start_repository(tmp_path)
    release(tmp_path, "1.0.0")
    with pytest.raises(ReleaseError, match="no release to compare with"):
        last_release(tmp_path)
    (tmp_path / "README.md").write_text("# Read me\n")
    assert str(last_release(tmp_path).version) == "1.0.0"
    commit_all(tmp_path, "Work")
    assert str(last_release(tmp_path).version) == "1.0.0"
    release(tmp_path, "1.1.0")
    assert str(last_release(tmp_path).version) == "1.0.0"
    commit_all(tmp_path, "Work")
    assert str(last_release(tmp_path).version) == "1.1.0"


def test_a_release_that_is_not_published_is_not_compared_with_itself(tmp_path: Path) -> None:
    """A push brings 1.1.0 and a commit after it; the tags are those that GitHub has."""
    (tmp_path / "README.md").write_text("# Read\n")
    start_repository(tmp_path)
    for version in ("1.0.0", "1.1.0"):
        release(tmp_path, version)
    commit_all(tmp_path, "Work")
    assert str(last_published(tmp_path).version) == "1.1.0"
    git(tmp_path, "tag", "v1.0.0", "HEAD~2")
    assert str(last_published(tmp_path).version) == "1.0.0"


def test_the_present_state_costs_projects_nothing() -> None:
    """What `make release-check` says of this repository; it fails as soon as a change needs a migration."""
    last, findings = check()
    if last.version < SUPPORTED_FROM:
        pytest.skip(f"{last.version} promised no updates; releases from {SUPPORTED_FROM} on are compared")
    assert findings == []


def test_the_promise_of_updates_begins_with_1_0_0() -> None:
    assert str(SUPPORTED_FROM) == "1.0.0"
