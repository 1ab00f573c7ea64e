"""What the commands that work on a project have in common."""

from pathlib import Path

from packaging.version import Version
from plumbum import LocalPath, cli

from evergreen.errors import RefusedError
from evergreen.git import require_git
from evergreen.project import ANSWERS_FILE, Project
from evergreen.template import DESCRIBED, Release, Source, version_of


class ProjectCommand(cli.Application):  # type: ignore[misc, unused-ignore]
    """A command on the project of the working directory."""

    folder = cli.SwitchAttr(
        ["-C", "--project"], LocalPath, default=None, argname="FOLDER", help="the project, if not the working directory"
    )
    answers_file = cli.SwitchAttr(
        ["-a", "--answers-file"], str, default=ANSWERS_FILE, help="the answers file, if not the usual one"
    )

    def find(self) -> Project:
        """Return the project."""
        require_git()
        return Project.find(Path(str(self.folder)) if self.folder else Path.cwd(), self.answers_file)


class UpdatingCommand(ProjectCommand):
    """A command that works out an update."""

    to = cli.SwitchAttr(["--to"], str, default=None, argname="VERSION", help="the version to update to; the newest by default")
    settings = cli.SwitchAttr(
        ["--set"], str, list=True, argname="NAME=VALUE", help="change an answer; for example include_sentry=yes"
    )
    syntax_aware = cli.Flag(["--syntax-aware"], help="let mergiraf merge by syntax what git leaves in conflict")
    trust = cli.Flag(["--trust"], help="allow the template's code: Jinja extensions and migrations")


def current_version(commit: str) -> Version:
    """Return the version that a project is at."""
    version = version_of(commit)
    if version is None:
        raise RefusedError(
            f"The project's version, {commit} (_commit of the answers file), is no released version, so newer ones cannot be "
            "told. evergreen doctor says more."
        )
    return version


def require_forward(source: Source, commit: str, release: Release) -> None:
    """Refuse to go back to an older version."""
    current = current_version(commit)
    if release.version < current or (release.version == current and DESCRIBED.fullmatch(commit)):
        raise RefusedError(
            f"The project is at {commit.removeprefix('v')}, which is newer than {release}. An update cannot go back; git can: "
            "revert the commit of the update."
        )
    known, newest = {str(item) for item in source.versions}, ", ".join(str(item) for item in source.releases[-5:])
    if str(current) not in known and not DESCRIBED.fullmatch(commit):
        raise RefusedError(
            f"The project's version, {commit}, is not among the template's releases ({newest}). "
            "Was the tag removed, or is _src_path another template's? evergreen doctor says more."
        )
