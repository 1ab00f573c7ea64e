"""What belongs to a project's team is written once: no later release has changed it.

Each release is compared by its own page of owners, in a project with every feature.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from check_release import SUPPORTED_FROM, Comparison, changed_seams
from packaging.version import Version
from rendering import answer_sets, files_of, files_of_the_team, questions
from support.releases import History, each_release
from support.rendering import REPOSITORY

from migrations import catalogue
from migrations.model import Migration


@pytest.fixture(params=each_release())
def versions(request: pytest.FixtureRequest, released: History, generated_by: Callable[..., Path]) -> tuple[str, Comparison]:
    """Return a release, and its project with every feature beside the present one."""
    if Version(request.param) < SUPPORTED_FROM:
        pytest.skip(f"{request.param} promised no updates; releases from {SUPPORTED_FROM} on are compared")
    everything = answer_sets(questions(REPOSITORY))["with every feature"]
    old, new = (generated_by(version, **everything) for version in (request.param, released.next))
    return request.param, Comparison("with every feature", files_of(old), files_of(new))


def test_no_release_has_changed_a_file_of_the_team(versions: tuple[str, Comparison]) -> None:
    version, comparison = versions
    declared = [catalogue.load(later) for later in catalogue.versions() if later > Version(version)]
    assert changed_seams(comparison, declared) == []


def test_a_change_of_any_file_of_the_team_would_be_seen(versions: tuple[str, Comparison]) -> None:
    """Each of them in turn, the example's too; unless a migration says that the release means it."""
    _, comparison = versions
    seams = files_of_the_team(comparison.old)
    assert {"backend/app/modules/__init__.py", "frontend/src/modules/index.ts", "CHANGELOG.md"} <= set(seams)
    for path in seams:
        changed = Comparison("", comparison.old, comparison.new | {path: comparison.old[path] + b"# A release's line.\n"})
        (finding,) = changed_seams(changed, [])
        assert finding.startswith(f"{path} belongs to the team")
        assert changed_seams(changed, [Migration(seams=(path,))]) == []
