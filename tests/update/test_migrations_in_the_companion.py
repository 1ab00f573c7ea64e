"""A template's `_migrations` do in the companion what they do in plain `copier update`, but not in the project's folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from copier import run_update
from support.companion import Template, evergreen, numbered, state, tree, update, work
from support.releases import git

BOTH = "{{ _stage in ['before', 'after'] }}"
SEEN = "{{ _stage }} {{ _version_from }} {{ _version_to }} {{ name|default('?') }} {{ _copier_operation }}"
LOG = f'echo "{SEEN}" >> log.txt && git add log.txt'
MOVE = "test {{ _stage }} = after || git mv old.txt new.txt"


def migration(command: str, when: str = BOTH, **more: Any) -> dict[str, Any]:
    """Return an entry of `_migrations`."""
    return {"command": command, "when": when, **more}


@pytest.mark.parametrize("engine", ["companion", "copier"])
def test_each_stage_runs_once_with_its_versions(template_of: Callable[..., Template], tmp_path: Path, engine: str) -> None:
    template = template_of({"a.txt": "a\n"})
    project = template.project(tmp_path / "project")
    versions = ("v1.0.0", "v1.1.0", "v9.0.0")
    entries = [*(migration(LOG, version=version) for version in versions), migration("touch touched")]
    template.release("1.1.0", {"a.txt": "b\n"}, _migrations=entries)
    run(engine, project)
    lines = (project / "log.txt").read_text().splitlines()
    assert lines[0] in {"before v1.0.0 v1.1.0 ? update"}
    assert lines[1:] == ["after v1.0.0 v1.1.0 Demo update"]
    assert (project / "touched").exists()
    assert (project / "a.txt").read_text() == "b\n"


def run(engine: str, project: Path) -> None:
    """Update by one of the two engines."""
    if engine == "copier":
        run_update(project, defaults=True, unsafe=True, quiet=True, overwrite=True)
    else:
        update(project)


@pytest.mark.parametrize("engine", ["companion", "copier"])
def test_a_file_that_a_migration_moves_takes_edits_along(
    template_of: Callable[..., Template], tmp_path: Path, engine: str
) -> None:
    """The new text is too unlike the old for git to see a rename; the migration says that it is one."""
    template = template_of({"old.txt": numbered("line")})
    project = template.project(tmp_path / "project")
    work(project, {"old.txt": numbered("line") + "ours\n"})
    template.release(
        "1.1.0", {"old.txt": None, "new.txt": "head\n" + numbered("line")}, _migrations=[migration(MOVE, version="v1.1.0")]
    )
    run(engine, project)
    assert not (project / "old.txt").exists()
    text = (project / "new.txt").read_text()
    assert "ours\n" in text
    if engine == "companion":
        assert text == "head\n" + numbered("line") + "ours\n"


def test_what_a_migration_takes_away_is_no_deletion_of_the_teams(template_of: Callable[..., Template], tmp_path: Path) -> None:
    template = template_of({"old.txt": numbered("line")})
    project = template.project(tmp_path / "project")
    work(project, {"old.txt": numbered("line") + "ours\n"})
    before, after = "mv old.txt .git/aside && git rm -q --cached old.txt", "cat .git/aside >> new.txt"
    take = f"if [ {{{{ _stage }}}} = before ]; then {before}; else {after}; fi"
    template.release("1.1.0", {"old.txt": None, "new.txt": numbered("line")}, _migrations=[migration(take, version="v1.1.0")])
    update(project)
    assert (project / "new.txt").read_text() == numbered("line") + numbered("line") + "ours\n"


def test_an_answer_that_a_migration_renames(template_of: Callable[..., Template], tmp_path: Path) -> None:
    template = template_of({"a.txt.jinja": "{{ color }}\n"}, color={"type": "str", "default": "red"})
    project = template.project(tmp_path / "project", "--data", "color=blue")
    rename = "sed -i 's/^color:/colour:/' .copier-answers.yml && git add .copier-answers.yml"
    template.release(
        "1.1.0",
        {"a.txt.jinja": "{{ colour }}\n"},
        color=None,
        colour={"type": "str", "default": "red"},
        _migrations=[migration(rename, "{{ _stage == 'before' }}", version="v1.1.0")],
    )
    update(project)
    assert (project / "a.txt").read_text() == "blue\n"
    assert "colour: blue" in (project / ".copier-answers.yml").read_text()


def test_a_conflict_that_a_migration_leaves_is_one(template_of: Callable[..., Template], tmp_path: Path) -> None:
    template = template_of({"a.txt": "a\n"})
    project = template.project(tmp_path / "project")
    entries = "0 %040d\\ta.txt\\n100644 %s 2\\ta.txt\\n100644 %s 3\\ta.txt\\n"
    mark = f"h=$(git rev-parse :a.txt) && printf '{entries}' 0 $h $h | git update-index --index-info"
    template.release("1.1.0", {"b.txt": "b\n"}, _migrations=[migration(mark, "{{ _stage == 'after' }}")])
    update(project, status=1)
    assert "AA a.txt" in git(project, "status", "--porcelain")


@pytest.mark.parametrize("stage", ["before", "after"])
def test_a_migration_that_fails_leaves_the_project_alone(
    template_of: Callable[..., Template], tmp_path: Path, stage: str
) -> None:
    template = template_of({"a.txt": "a\n"})
    project = template.project(tmp_path / "project")
    fail = f"echo changed > a.txt; git add a.txt; test {{{{ _stage }}}} != {stage}"
    template.release("1.1.0", {"a.txt": "b\n"}, _migrations=[migration(fail)])
    before = state(project)
    said = update(project, status=2).errors
    assert f"{stage} the merge" in said
    assert state(project) == before


def test_a_preview_with_migrations_changes_nothing_and_keeps_standard_output_clean(
    template_of: Callable[..., Template], tmp_path: Path
) -> None:
    template = template_of({"a.txt": "a\n"})
    project = template.project(tmp_path / "project")
    template.release(
        "1.1.0", {"a.txt": "b\n"}, _migrations=[migration("echo noise; echo more >> a.txt; git add a.txt; git gc --quiet")]
    )
    before = state(project), tree(project / ".git")
    found = evergreen(project, "preview", "--trust", "--json")
    assert "a.txt" in [*found.data["changed"], *found.data["conflicts"]]
    assert (state(project), tree(project / ".git")) == before


@pytest.mark.parametrize(("command", "lasting"), [("update", True), ("preview", False)])
def test_a_migration_can_keep_what_must_outlive_the_checkout(
    template_of: Callable[..., Template], tmp_path: Path, command: str, lasting: bool
) -> None:
    template = template_of({"a.txt": "a\n"})
    project = template.project(tmp_path / "project")
    keep = 'mkdir -p ".evergreen/$EVERGREEN_KEEPS_IN/yours" && cp a.txt ".evergreen/$EVERGREEN_KEEPS_IN/yours/"'
    template.release("1.1.0", {"a.txt": "b\n"}, _migrations=[migration(keep, "{{ _stage == 'before' }}")])
    evergreen(project, command, "--trust", status=0)
    kept = project / ".evergreen/1.1.0/yours/a.txt"
    assert kept.exists() == lasting
    assert not lasting or kept.read_text() == "a\n"
