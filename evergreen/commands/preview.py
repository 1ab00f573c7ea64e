"""`evergreen preview` tells what an update would do."""

import tempfile
from pathlib import Path

from plumbum import cli

from evergreen import errors, questions, syntax, writing
from evergreen.commands.base import UpdatingCommand, require_forward
from evergreen.origin import require_trust
from evergreen.planning import Wish, planned, say
from evergreen.recovery import attended, require_none_waiting
from evergreen.report import report
from evergreen.template import Source


class Preview(UpdatingCommand):
    """Work out an update and show it. Nothing in the project changes: no file, no ref, no object.

    The exit status is 0 when the update would be clean, 1 when it would conflict, 2 when it would be refused.
    """

    as_json = cli.Flag(["--json"], help="print JSON", excludes=["--markdown"])
    markdown = cli.Flag(["--markdown"], help="print Markdown, for a pull request")

    def main(self) -> int:
        """Print the preview."""
        project = self.find()
        require_none_waiting(attended(project))
        if self.syntax_aware:
            syntax.require_program()
        source = Source.of(project.answers.source, project.root)
        require_trust(source, said=self.trust)
        release = source.release(self.to)
        require_forward(source, project.answers.commit, release)
        if project.head() and project.git.fields("status", "--porcelain", "-z", "--no-renames"):
            say("Note: changes that are not committed are left out of the preview.")
        with tempfile.TemporaryDirectory(prefix="evergreen-") as objects:
            lent = project.git.text("rev-parse", "--path-format=absolute", "--git-path", "objects")
            git = project.git.having(GIT_OBJECT_DIRECTORY=Path(objects), GIT_ALTERNATE_OBJECT_DIRECTORIES=lent)
            wish = Wish(release, questions.parse(self.settings), syntax_aware=self.syntax_aware)
            with planned(project, git, source, wish) as plan:
                found = report(git, project.answers, plan)
        if self.as_json:
            print(writing.as_json(found))
        else:
            print(writing.as_markdown(found) if self.markdown else writing.as_text(found, would=True))
        return errors.CONFLICTS if found.conflicts else errors.CLEAN
