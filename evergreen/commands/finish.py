"""`evergreen finish`: commit an update when its conflicts are resolved."""

from evergreen import errors
from evergreen.commands.base import ProjectCommand
from evergreen.errors import RefusedError
from evergreen.finishing import finish
from evergreen.journal import locked
from evergreen.planning import say
from evergreen.recovery import attend


class Finish(ProjectCommand):
    """Commit the update, with your hooks. Refused while a file is in conflict or holds conflict markers."""

    def main(self) -> int:
        """Commit the update."""
        with locked(self.find()) as project:
            journal = attend(project)
            if journal is None:
                raise RefusedError("No update is waiting to be finished. evergreen check says whether there is a newer version.")
            commit = finish(project, journal)
        say(f"The update to {journal.new} is committed: {commit[:12]}. The state before it: git show {journal.ref('backup')}")
        if journal.kept:
            say(f"Kept aside: {errors.values(journal.kept)}.")
        return errors.CLEAN
