"""`evergreen update`: take over a release."""

from plumbum import cli

from evergreen import errors, questions, syntax, verifying, writing
from evergreen.commands.base import UpdatingCommand, require_forward
from evergreen.errors import RefusedError, values
from evergreen.finishing import finish
from evergreen.journal import Journal, locked
from evergreen.origin import require_trust
from evergreen.planning import Plan, Wish, planned, say
from evergreen.preparing import apply
from evergreen.project import Project
from evergreen.recovery import attend, require_none_waiting
from evergreen.report import Report, report
from evergreen.template import Release, Source


class Update(UpdatingCommand):
    """Merge a release of the template into the project. The result is staged, not committed.

    The exit status is 0 when the update is clean, 1 when it waits for you (files in conflict; a hook or the signing of --branch's
    commit failed), 2 when it was refused and nothing has changed.
    """

    branch = cli.SwitchAttr(["--branch"], str, default=None, argname="NAME", help="do it on a new branch, and commit when clean")
    ask = cli.Flag(["--ask"], help="ask the release's new questions instead of taking their defaults")
    verify = cli.Flag(["--verify"], help=f"run the project's checks on the result first ({verifying.DEFAULT})")
    verify_with = cli.SwitchAttr(["--verify-with"], str, default=None, argname="COMMAND", help="the same with checks of your own")
    as_json = cli.Flag(["--json"], help="print JSON")

    def main(self) -> int:
        """Update, and print what has changed."""
        with locked(self.find()) as project:
            require_none_waiting(attend(project))
            project.require_ready()
            if self.syntax_aware:
                syntax.require_program()
            if self.branch:
                require_new_branch(project, self.branch)
            source = Source.of(project.answers.source, project.root)
            require_trust(source, said=self.trust)
            release = source.release(self.to)
            require_forward(source, project.answers.commit, release)
            wish = Wish(release, questions.parse(self.settings), self.ask, self.syntax_aware)
            if nothing_asked(project, release, wish):
                say(f"The project is at {release} already.")
                return errors.CLEAN
            before = project.answers
            with planned(project, project.git, source, wish) as plan:
                found = report(project.git, before, plan)
                self.check(project, plan)
                journal = apply(project, plan, self.branch, commits=bool(self.branch))
            committed, uncommitted = commit(project, journal)
        print(
            writing.as_json(found, kept=journal.kept, committed=committed)
            if self.as_json
            else writing.as_text(found, would=False)
        )
        if plan.message.strip():
            say(f"\n{plan.message.strip()}")
        say(f"\n{uncommitted}" if uncommitted else next_step(journal, found, committed))
        return errors.CONFLICTS if journal.conflicts or uncommitted else errors.CLEAN

    def check(self, project: Project, plan: Plan) -> None:
        """Run the project's checks on the result if that is wished."""
        command = self.verify_with or (verifying.DEFAULT if self.verify else None)
        if command and plan.merge.conflicts:
            say("Not verified: there are conflicts. Run the checks when they are resolved.")
        elif command:
            verifying.verify(project, plan.head, plan.tree, command)


def nothing_asked(project: Project, release: Release, wish: Wish) -> bool:
    """Tell whether the project is at the version, and no answer is to change."""
    return project.answers.commit == release.tag and not wish.answers and not wish.ask


def commit(project: Project, journal: Journal) -> tuple[str | None, str]:
    """Commit a clean update on its branch; return the commit, or what kept git from it: then the update waits for `finish`."""
    if not journal.commits or journal.conflicts:
        return None, ""
    try:
        return finish(project, journal), ""
    except RefusedError as error:
        return None, str(error)


def require_new_branch(project: Project, name: str) -> None:
    """Refuse a name that git would, or that is taken, and a commit that git would not make."""
    if not project.git.succeeds("var", "GIT_COMMITTER_IDENT"):
        raise RefusedError(
            'git does not know who you are, so it cannot commit. First: git config --global user.name "Your Name", and user.email'
        )
    if not project.git.succeeds("check-ref-format", "--branch", name):
        raise RefusedError(f"{name!r} cannot name a branch. Example: --branch update-template")
    taken = project.git.text("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/").split("\n")
    if near := [other for other in taken if f"{other}/".startswith(f"{name}/") or f"{name}/".startswith(f"{other}/")]:
        if near != [name]:
            raise RefusedError(f"git cannot have a branch {name} beside {values(near)}. Choose another name.")
        raise RefusedError(f"There is a branch {name} already. Choose another name, or delete it: git branch --delete {name}")


def next_step(journal: Journal, found: Report, committed: str | None) -> str:
    """Tell the user how to go on."""
    if committed:
        return f"\nCommitted {committed[:12]} on {journal.new_branch}. Run your checks, then merge it."
    lines = [""]
    if journal.conflicts:
        lines.append(
            f"{len(journal.conflicts)} in conflict. Edit each, git add it, then: evergreen finish   (or: evergreen abort)"
        )
    else:
        lines.append("Staged. Look with git diff --cached, run your checks, then: evergreen finish   (or: evergreen abort)")
    if journal.kept:
        lines.append(f"Kept aside in .evergreen/{journal.keeps_in}/: {len(journal.kept)}.")
    if any(note["migration"] for note in found.notes):
        lines.append("The notes above name what needs your hand (Migration).")
    return "\n".join(lines)
