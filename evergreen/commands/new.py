"""`evergreen new`: generate a project, with its repository and first commit."""

import shutil
from pathlib import Path

from copier.errors import CopierAnswersInterrupt
from plumbum import cli

from evergreen import errors, questions
from evergreen.errors import RefusedError
from evergreen.git import Git, require_git
from evergreen.origin import origin, require_trust
from evergreen.planning import say
from evergreen.rendering import explained, output_to_stderr, worker
from evergreen.template import Source, is_relative


class New(cli.Application):  # type: ignore[misc, unused-ignore]
    """Generate a project into FOLDER: the template's questions, git init, the first commit."""

    template = cli.SwitchAttr(
        ["--template"], str, default=None, argname="ADDRESS", help="the template; by default, this command's own"
    )
    to = cli.SwitchAttr(["--to"], str, default=None, argname="VERSION", help="the template's version; the newest by default")
    settings = cli.SwitchAttr(
        ["--data", "--set"], str, list=True, argname="NAME=VALUE", help="answer a question; may be repeated"
    )
    defaults = cli.Flag(["--defaults"], help="ask nothing: what is not answered by --data takes its default")
    trust = cli.Flag(["--trust"], help="allow the template's code: Jinja extensions")

    def main(self, folder: str) -> int:
        """Generate the project."""
        require_git()
        target = Path(folder).absolute()
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise RefusedError(f"{target} exists and is not empty. Choose another folder.")
        source = Source.of(full_address(self.template or own_template()), Path.cwd())
        require_trust(source, said=self.trust)
        release = source.release(self.to)
        existing = repository_above(target)
        if existing is None:
            require_identity()
        generate(source, release.tag, target, questions.parse(self.settings), defaults=self.defaults)
        if existing:
            say(f"{target} lies in the repository {existing}: commit it there.")
        else:
            first_commit(target, f"Start from the template, {release}")
        print(f"{folder} is ready, at {release} of the template. Next:\n\n  cd {folder}\n  make         # what it can do")
        print("  make dev     # start it\n\nNow and then, evergreen check tells whether the template has a newer release.")
        return errors.CLEAN


def own_template() -> str:
    """Return the template that this command was installed from."""
    found = origin()
    if found is None:
        raise RefusedError("It is not known which template this command belongs to. Say which: --template <address>")
    return found


def full_address(address: str) -> str:
    """Return an address that stays right when the project is moved or read from another folder, and that Copier takes for git."""
    if address.startswith(("http://", "https://", "ssh://")) and not address.endswith(".git"):
        return f"git+{address}"
    return str(Path(address).resolve()) if is_relative(address) else address


def repository_above(target: Path) -> Path | None:
    """Return the repository that a folder, there or not, lies in."""
    folder = next(parent for parent in (target, *target.parents) if parent.is_dir())
    result = Git(folder).start("rev-parse", "--show-toplevel")
    return Path(result.stdout.decode().strip()) if result.returncode == 0 else None


def require_identity() -> None:
    """Refuse before anything is written when git could not make the first commit."""
    if not Git(Path.cwd()).succeeds("var", "GIT_COMMITTER_IDENT"):
        raise RefusedError(
            'git does not know who you are, so it cannot commit. First: git config --global user.name "Your Name", and user.email'
        )


def generate(source: Source, tag: str, target: Path, answers: dict[str, str], *, defaults: bool) -> None:
    """Render a new project; after a failure nothing of it is left."""
    was_there = target.exists()
    chosen = worker(source, tag, target, data=answers, defaults=defaults)
    try:
        with chosen, explained("The project was not generated"), output_to_stderr():
            questions.require_sensible(answers, chosen.template.questions_data, tag.removeprefix("v"))
            chosen.run_copy()
    except CopierAnswersInterrupt as error:
        raise RefusedError("Stopped. Nothing was written.") from error
    except RefusedError:
        if was_there:
            for item in target.iterdir():
                shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
        raise


def first_commit(target: Path, message: str) -> None:
    """Make the project a repository and commit it."""
    git = Git(target)
    git.run("init", "--quiet", *([] if git.setting("init.defaultBranch") else ["--initial-branch=main"]))
    git.run("add", "--all")
    git.run("commit", "--quiet", f"--message={message}")
