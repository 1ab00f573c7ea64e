"""`evergreen abort`: take an update back that is not committed."""

from evergreen import errors
from evergreen.commands.base import ProjectCommand
from evergreen.errors import RefusedError
from evergreen.journal import locked
from evergreen.planning import say
from evergreen.recovery import attend
from evergreen.restoring import abort


class Abort(ProjectCommand):
    """Restore every file that the update has touched, byte for byte. Works on an interrupted update, too."""

    def main(self) -> int:
        """Take the update back."""
        with locked(self.find()) as project:
            journal = attend(project, completing=False)
            if journal is None:
                raise RefusedError("No update is under way, so there is nothing to abort. A committed one: git revert <commit>.")
            abandoned = abort(project, journal)
        say(f"The update to {journal.new} is taken back.")
        if abandoned:
            say(f"The files as they were before that: git show {abandoned}, git checkout {abandoned} -- <file>.")
        return errors.CLEAN
