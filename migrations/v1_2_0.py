"""1.2.0 brings workflows and hooks by names that many teams have used already: what a team has of its own stays its own."""

from pathlib import Path

from migrations.kept_files import keep_own
from migrations.model import Migration

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


def before(project: Path) -> None:
    """Write down which of them the team has, before the release's would meet them."""
    if found := keep_own(project, COMMON):
        print(  # noqa: T201 - Copier shows it
            f"1.2.0: these are your own, and stay as they are, in later releases, too: {', '.join(found)}.\n"
            "What they leave undone, and how to take over the release's: docs/explanation/ownership.md."
        )


MIGRATION = Migration(before=before)
