"""Runs one stage of one release's migration in a project."""

from pathlib import Path

from packaging.version import Version

from migrations import answers, catalogue, libraries, moves
from migrations.base import ANSWERS_FILE
from migrations.model import MigrationError


def run(stage: str, version: Version, project: Path, *, hooks_only: bool = False, folder: Path = catalogue.FOLDER) -> list[str]:
    """Run a stage and return what the team should know, a line each.

    Args:
        stage: `before` or `after` Copier merges.
        version: the release.
        project: the project's root.
        hooks_only: leave moves and answers to the caller, who merges by other means.
        folder: where the modules are.

    Raises:
        MigrationError: it cannot go on.
    """
    migration = catalogue.load(version, folder)
    if not (project / ANSWERS_FILE).is_file():
        raise MigrationError(f"There is no {ANSWERS_FILE} in {project}: run this in the root of a generated project.")
    notes: list[str] = []
    with libraries.provided(migration.needs, str(version)):  # for the later stage, too: fail before anything has changed
        if stage == "before":
            if not hooks_only:
                moves.put_aside(project, migration, str(version))
                notes += answers.carry_over(project, migration)
            migration.before(project)
        else:
            if not hooks_only:
                notes += moves.put_back(project, str(version))
            migration.after(project)
    return notes
