"""Releases are found in the history, tagged once, and published with what a team must do."""

from pathlib import Path

import pytest
import releases as tooling
from packaging.version import Version
from releases import ReleaseError, notes, releases, tag
from support.releases import commit_all, git, start_repository


def state(folder: Path, version: str, *sections: str, message: str = "Work") -> str:
    text = "# Changelog\n\n## [Unreleased]\n" + "".join(f"\n## [{section}] - 2026-01-01\n\nText.\n" for section in sections)
    (folder / "CHANGELOG.md").write_text(text)
    (folder / "pyproject.toml").write_text(f'[project]\nname = "x"\nversion = "{version}"\n\n[tool.x]\nversion = "9.9.9"\n')
    return commit_all(folder, message)


@pytest.fixture
def history(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Return a history with three releases, and their commits."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "README.md").write_text("# Read\n")
    start_repository(folder)
    state(folder, "0.9.0")  # its version stands there from the beginning, and the section comes later
    commits = {"0.9.0": state(folder, "0.9.0", "0.9.0")}
    (folder / "README.md").write_text("# Read me\n")
    commit_all(folder, "Work")
    state(folder, "0.9.0", "1.0.0", "0.9.0")  # the section is written before the bump
    commits["1.0.0"] = state(folder, "1.0.0", "1.0.0", "0.9.0")
    commits["1.10.0"] = state(folder, "1.10.0", "1.10.0", "1.0.0", "0.9.0")
    commit_all(folder, "Work")
    return folder, commits


def test_a_release_is_the_first_commit_with_both_version_and_section(history: tuple[Path, dict[str, str]]) -> None:
    folder, commits = history
    assert {str(release.version): release.commit for release in releases(folder)} == commits
    assert [str(release.version) for release in releases(folder)] == ["0.9.0", "1.0.0", "1.10.0"]


def test_tags_are_put_once(history: tuple[Path, dict[str, str]]) -> None:
    folder, commits = history
    assert tag(folder) == [f"v{version} put on {commit[:12]}" for version, commit in commits.items()]
    assert tag(folder) == [f"v{version} is on {commit[:12]} already" for version, commit in commits.items()]
    assert git(folder, "rev-parse", "v1.0.0") == commits["1.0.0"]


def test_a_tag_on_another_commit_is_not_moved(history: tuple[Path, dict[str, str]]) -> None:
    folder, commits = history
    git(folder, "tag", "v1.0.0", "HEAD")
    with pytest.raises(ReleaseError, match=commits["1.0.0"][:12]):
        tag(folder)
    assert git(folder, "rev-parse", "v1.0.0") == git(folder, "rev-parse", "HEAD")


def test_a_shallow_clone_says_so(history: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    folder, _ = history
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{folder}", "shallow")
    with pytest.raises(ReleaseError, match="git fetch --unshallow"):
        releases(tmp_path / "shallow")


CHANGELOG = """# Changelog

## [Unreleased]

## [1.1.0] - 2026-02-01

First line.

### Added

- A feature.

### Migration

- Run `make keys`.

  Twice.

### Fixed

- A fault.

## [1.0.0] - 2026-01-01

### Added

- All.
"""


def test_notes_begin_with_what_needs_a_hand() -> None:
    text = notes(CHANGELOG, Version("1.1.0"))
    assert text.startswith(
        "> [!IMPORTANT]\n> **Migration: this release needs your hand.**\n>\n> - Run `make keys`.\n>\n>   Twice.\n\nFirst line."
    )
    assert "### Migration" not in text
    assert text.endswith("### Fixed\n\n- A fault.\n")
    assert notes(CHANGELOG, Version("1.0.0")).startswith("> [!NOTE]\n> Nothing in this release needs your hand")


def test_a_release_without_a_section_is_refused() -> None:
    with pytest.raises(ReleaseError, match=r"no section '## \[1.2.0\]"):
        notes(CHANGELOG, Version("1.2.0"))


def test_this_repository_has_releases_and_notes_for_each() -> None:
    known = releases()
    assert [str(release.version) for release in known][:1] == ["0.9.0"]
    for release in known:
        assert notes((tooling.REPOSITORY / "CHANGELOG.md").read_text(), release.version)
