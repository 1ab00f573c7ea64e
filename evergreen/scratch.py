"""Checkouts of a project in folders of their own, for what must not run in the project's."""

from pathlib import Path

from evergreen.git import Git
from evergreen.trees import without_filters

SETTINGS = ("core.autocrlf", "core.eol", "core.fileMode", "core.symlinks", "user.name", "user.email")


def check_out(git: Git, commit: str, tree: str, folder: Path, *, filtered: bool = True) -> None:
    """Make a folder a repository of its own that borrows the project's objects: HEAD a commit, index and files a tree.

    Nothing is written to the project. It has the project's settings of line endings and names, and no remote. Where what is
    changed in it shall be read back (`tree_of_checkout`), the files are as the repository holds them, without filters.
    """
    folder.mkdir(parents=True)
    own = Git(folder)
    own.run("init", "--quiet")
    lent = [git.text("rev-parse", "--git-path", "objects")]
    lent += [path for name in ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES") if (path := git.variables.get(name))]
    alternates = folder / ".git/objects/info/alternates"
    alternates.write_text("".join(f"{(git.folder / path).resolve()}\n" for path in dict.fromkeys(lent)), encoding="utf-8")
    if (shallow := git.folder / git.text("rev-parse", "--git-path", "shallow")).is_file():
        (folder / ".git/shallow").write_bytes(shallow.read_bytes())
    for name in SETTINGS:
        if (value := git.setting(name)) is not None:
            own.run("config", name, value)
    for name, value in {} if filtered else without_filters(git).items():
        own.run("config", name, value)
    own.run("config", "core.hooksPath", "/dev/null")
    own.run("update-ref", "HEAD", commit)
    own.run("read-tree", "--reset", "-u", tree)
