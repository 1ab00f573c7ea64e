"""What the template's settings promise every update: a project's history is not Copier's, and what was deleted stays so."""

from pathlib import Path

import pytest
from copier._template import Template
from support.rendering import copy_template, render


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return copy_template(tmp_path / "template")


def test_a_template_that_ships_a_git_folder_would_not_get_it_into_a_project(template: Path, tmp_path: Path) -> None:
    """`_exclude` drops Copier's own defaults; a template once replaced its projects' histories that way."""
    (template / "template/.git").mkdir()
    (template / "template/.git/config").write_text("[core]\n")
    assert not (render(template, tmp_path / "project") / ".git").exists()


def test_nothing_is_skipped_if_it_exists_since_that_brings_back_what_a_team_has_deleted(template: Path) -> None:
    assert Template(url=str(template)).skip_if_exists == ()


def test_nothing_runs_beside_the_migrations_since_tasks_run_three_times_in_an_update(template: Path) -> None:
    assert Template(url=str(template)).tasks == []
