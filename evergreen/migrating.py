"""Runs a template's `_migrations` by Copier's own rules, in a checkout of ours instead of the project's folder.

A migration before the rendering sees the team's files and no answers; one after it sees the merged files and the new answers.
What either stage leaves in its folder is taken, staged or not, but for ignored files.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from copier import Phase
from copier._main import Worker, as_operation
from plumbum import local

from evergreen.git import Git
from evergreen.keeping import FOLDER
from evergreen.merging import Stage, stage_of
from evergreen.project import Project
from evergreen.rendering import explained, output_to_stderr
from evergreen.scratch import check_out
from evergreen.trees import Entry, tree_of_checkout

KEEPS_IN = "EVERGREEN_KEEPS_IN"
"""Tells migrations in which folder of `.evergreen/` to keep files aside, so that what they print is right."""


class Migrations:
    """The migrations of one update. Without any, nothing is checked out and nothing runs."""

    def __init__(self, git: Git, project: Project, workers: tuple[Worker, Worker], checkout: Path, keeps_in: str) -> None:
        self.git, self.project, self.checkout, self.keeps_in = git, project, checkout, keeps_in
        self.old, self.new = workers

    @property
    def there_are_any(self) -> bool:
        """Whether the new version has migrations at all, for whichever stage and version."""
        return bool(self.new.template._raw_config.get("_migrations"))

    def before(self, head: str) -> str:
        """Run the first stage on the team's files, and return their tree after it."""
        tree = self.git.text("rev-parse", f"{head}^{{tree}}")
        if not self.there_are_any:
            return tree
        check_out(self.git, head, tree, self.checkout, filtered=False)
        self._run("before")
        return tree_of_checkout(self.git, self.checkout, tree)

    def after(self, tree: str) -> tuple[str, list[Stage]]:
        """Run the second stage on the merged files; return their tree after it, and the conflicts that it leaves."""
        if not self.there_are_any:
            return tree, []
        own = Git(self.checkout)
        own.run("read-tree", "--reset", "-u", tree)
        self._run("after")
        return tree_of_checkout(self.git, self.checkout, tree), [
            self._stored(own, line) for line in own.fields("ls-files", "-u", "-z")
        ]

    def kept(self) -> dict[str, bytes]:
        """Return what the migrations have kept aside, by path in the repository."""
        folder = self.checkout / self.project.prefix / FOLDER / self.keeps_in / "yours"
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return {self.project.prefix + path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    def _stored(self, own: Git, line: str) -> Stage:
        stage = stage_of(line)
        self.git.run("hash-object", "-w", "--stdin", given=own.run("cat-file", "blob", stage.entry.blob))
        return stage

    def _run(self, stage: Literal["before", "after"]) -> None:
        here = replace(self.new, dst_path=self.checkout / self.project.prefix)
        here.template = self.new.template
        if stage == "after":
            here.answers = self.new.answers
        with local.env(**{KEEPS_IN: self.keeps_in}):  # Copier gives migrations plumbum's environment, not the process'
            execute(here, stage, self.old)


@as_operation("update")
def execute(here: Worker, stage: Literal["before", "after"], old: Worker) -> None:
    """Run one stage.

    Raises:
        RefusedError: a migration failed.
    """
    doing = f"A migration of the template failed ({stage} the merge); the project is untouched"
    with explained(doing), output_to_stderr(), Phase.use(Phase.MIGRATE):
        here._execute_tasks(here.template.migration_tasks(stage, old.template))


def followed(git: Git, head: str, team: str, old: dict[str, Entry], new: dict[str, Entry]) -> dict[str, Entry | None]:
    """Return the changes that make the old rendering follow what a migration did to the team's tree.

    A file that it moved is moved there too, so that the merge finds its ancestor. One that it took away, and that the new
    rendering lacks, goes there too: it is no deletion by the team.
    """
    if git.text("rev-parse", f"{head}^{{tree}}") == team:
        return {}
    changes: dict[str, Entry | None] = {}
    fields = iter(git.fields("diff-tree", "-r", "-z", "--find-renames", "--name-status", head, team))
    for status in fields:
        path = next(fields)
        target = next(fields) if status.startswith(("R", "C")) else None
        if path not in old or path in new:
            continue
        if target and status.startswith("R") and target not in old:
            changes |= {path: None, target: old[path]}
        elif status == "D":
            changes[path] = None
    return changes
