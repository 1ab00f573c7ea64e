"""1.2.0 brings workflows and hooks by names that many teams have used already: what a team has of its own stays as it is."""

from pathlib import Path

from migrations.model import Migration
from migrations.repository import stage

#: What the release adds, by names that are anybody's.
COMMON = (
    ".github/dependabot.yml",
    ".github/workflows/build.yml",
    ".github/workflows/ci.yml",
    ".github/workflows/release.yml",
    ".github/workflows/security.yml",
    ".gitleaks.toml",
    ".pre-commit-config.yaml",
    ".secrets.baseline",
)
SUFFIX = ".of-the-team"


def before(project: Path) -> None:
    """Put the team's files aside, so that the release's do not meet them."""
    for path in COMMON:
        if (project / path).is_file():
            (project / path).rename(project / (path + SUFFIX))
            stage(project, path, path + SUFFIX)


def after(project: Path) -> None:
    """Bring them back, in place of the release's."""
    for path in COMMON:
        aside = project / (path + SUFFIX)
        if aside.is_file():
            aside.replace(project / path)
            stage(project, path, path + SUFFIX)
            print(f"1.2.0: {path} is your own and stays. What the release has by this name: docs/features/github_actions.md.")  # noqa: T201 - Copier shows it


MIGRATION = Migration(before=before, after=after)
