"""`evergreen doctor`: what would keep an update from working, and how to mend it."""

from evergreen import diagnosis, errors
from evergreen.commands.base import ProjectCommand
from evergreen.git import require_git
from evergreen.recovery import attended

HEALTHY, FAULTS = 0, 1


class Doctor(ProjectCommand):
    """Examine the project, its answers and its template. Nothing is changed.

    The exit status is 0 when all is well, 1 when there are faults, 2 when there is no project to examine.
    """

    def main(self) -> int:
        """Print each fault with its remedy."""
        require_git()
        project = self.find()
        waiting = attended(project)
        faults = list(diagnosis.faults(project, waiting))
        for number, fault in enumerate(faults, 1):
            print(f"{number}. {fault}\n")
        print(f"{len(faults)} to mend." if faults else f"All is well: {project.root} can be updated.")
        return FAULTS if faults else HEALTHY


assert errors.REFUSED not in {HEALTHY, FAULTS}  # noqa: S101
