"""Runs a template's `_migrations` by Copier's own rules, in a checkout of ours instead of the project's folder.

A migration before the rendering sees the team's files and no answers; one after it sees the merged files and the new answers.
What either stage leaves in its folder is taken, staged or not, but for ignored files.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from copier import Phase
from copier._main import Worker, as_operation
from copier._template import Template

from evergreen.git import Git
from evergreen.rendering import explained, output_to_stderr

Stage = Literal["before", "after"]


def has_migrations(template: Template) -> bool:
    """Tell whether a version of the template has migrations at all, for whichever stage and version."""
    return bool(template._raw_config.get("_migrations"))


@as_operation("update")
def migrate(stage: Stage, new: Worker, old: Template, checkout: Path) -> None:
    """Run one stage in a checkout of the project.

    Raises:
        RefusedError: a migration failed.
    """
    here = replace(new, dst_path=checkout)
    here.template = new.template
    if stage == "after":
        here.answers = new.answers
    doing = f"A migration of the template failed ({stage} the merge); the project is untouched"
    with explained(doing), output_to_stderr(), Phase.use(Phase.MIGRATE):
        here._execute_tasks(here.template.migration_tasks(stage, old))


def check_out(git: Git, commit: str, tree: str, folder: Path) -> None:
    """Make a folder a repository of its own that borrows the project's objects: HEAD a commit, index and files a tree.

    Nothing is written to the project. It has the project's settings of line endings and names, and no remote.
    """
    folder.mkdir(parents=True)
    own = Git(folder)
    own.run("init", "--quiet")
    lent = [git.text("rev-parse", "--git-path", "objects")]
    lent += [path for name in ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES") if (path := git.variables.get(name))]
    alternates = folder / ".git/objects/info/alternates"
    alternates.write_text("".join(f"{(git.folder / path).resolve()}\n" for path in dict.fromkeys(lent)))
    if (shallow := git.folder / git.text("rev-parse", "--git-path", "shallow")).is_file():
        (folder / ".git/shallow").write_bytes(shallow.read_bytes())
    for name in ("core.autocrlf", "core.eol", "core.fileMode", "core.symlinks", "user.name", "user.email"):
        if (value := git.setting(name)) is not None:
            own.run("config", name, value)
    own.run("config", "core.hooksPath", "/dev/null")
    own.run("config", "gc.auto", "0")
    own.run("update-ref", "HEAD", commit)
    own.run("read-tree", "--reset", "-u", tree)
