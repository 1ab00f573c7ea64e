"""What belongs to a project's team is written once: no later release has changed it.

Each release is compared by its own page of owners, in a project with every feature.
"""

from pathlib import Path

import pytest
from check_release import SUPPORTED_FROM, Comparison, changed_seams
from copier import run_copy
from packaging.version import Version
from rendering import answer_sets, files_of, files_of_the_team, questions
from support.releases import History, each_release
from support.rendering import REPOSITORY

from migrations import catalogue


@pytest.mark.parametrize("version", each_release())
def test_no_release_has_changed_a_file_of_the_team(version: str, released: History, tmp_path: Path) -> None:
    if Version(version) < SUPPORTED_FROM:
        pytest.skip(f"{version} promised no updates; releases from {SUPPORTED_FROM} on are compared")
    everything = answer_sets(questions(REPOSITORY))["with every feature"]
    trees = {}
    for release in (version, released.next):
        run_copy(
            str(released.folder),
            tmp_path / release,
            vcs_ref=f"v{release}",
            data=everything,
            defaults=True,
            unsafe=True,
            quiet=True,
        )
        trees[release] = files_of(tmp_path / release)
    declared = [catalogue.load(later) for later in catalogue.versions() if later > Version(version)]
    assert files_of_the_team(trees[version])
    assert changed_seams(Comparison("with every feature", trees[version], trees[released.next]), declared) == []
