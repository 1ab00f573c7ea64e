"""Works out what an update would do. Nothing of the project is changed: a preview ends here, an update goes on from here."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from copier._main import Worker

from evergreen import syntax
from evergreen.changelog import Section, between
from evergreen.git import Git
from evergreen.ignored import Ignored, compare
from evergreen.keeping import free_folder
from evergreen.merging import Merge, Sides, merge
from evergreen.migrating import Migrations, followed
from evergreen.progress import progress
from evergreen.project import Answers, Project
from evergreen.questions import require_sensible
from evergreen.rendering import explained, render, worker, working_in
from evergreen.template import Release, Source, version_of
from evergreen.trees import attributes_of, changed_tree, entries, tree_of


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    release: Release
    answers: dict[str, Any] = field(default_factory=dict)
    ask: bool = False
    syntax_aware: bool = False


@dataclass(frozen=True)
class Plan:
    """An update, worked out: from which commit to which tree, and all that a report says."""

    head: str
    tree: str
    old: str
    new: str
    merge: Merge
    ignored: Ignored
    answers: Answers
    notes: list[Section]
    keeps_in: str
    """The folder in `.evergreen/` for what it keeps aside."""
    message: str
    """What the template says after an update."""


def say(message: str) -> None:
    """Tell the user what takes a while, and what to do next. After what was printed so far, in a log of both streams, too."""
    sys.stdout.flush()
    print(message, file=sys.stderr, flush=True)


@contextmanager
def planned(project: Project, git: Git, source: Source, wish: Wish) -> Iterator[Plan]:
    """Render both versions and merge. git is the project's, or one that stores its objects elsewhere."""
    with tempfile.TemporaryDirectory(prefix="evergreen-") as folder, working_in(source.base):
        yield _Planner(project, git, source, wish, Path(folder)).plan()


def name_of(commit: str) -> str:
    """Return a version as people write it."""
    return commit.removeprefix("v")


class _Planner:
    """The steps of one plan and what they share."""

    def __init__(self, project: Project, git: Git, source: Source, wish: Wish, folder: Path) -> None:
        self.project, self.git, self.source, self.wish, self.folder = project, git, source, wish, folder
        self.answers = project.answers
        self.head = project.head()
        self.old_name, self.new_name = name_of(self.answers.commit), str(wish.release)

    def plan(self) -> Plan:
        self.project.require_mergeable()
        old_folder, new_folder = self.folder / "old", self.folder / "new"
        with (
            self._worker(self.answers.commit, old_folder, data=self.answers.values) as old,
            self._worker(
                self.wish.release.tag, new_folder, data=self.wish.answers, defaults=not self.wish.ask, skip_answered=self.wish.ask
            ) as new,
        ):
            progress(f"Fetching the template's version {self.new_name} ...")
            self._check_names(new)
            with explained(f"The template's version {self.old_name} cannot be rendered with the project's answers"):
                old.exclude = list(new.template.exclude)  # what the new version leaves to the team is no deletion
            self._render(old, self.old_name)
            keeps_in = free_folder(self.project, self.new_name)
            migrations = Migrations(self.git, self.project, (old, new), self.folder / "checkout", keeps_in)
            team = migrations.before(self.head)
            self._place_answers(team, new_folder)
            self._render(new, self.new_name)
            new_answers = self._rendered_answers(new_folder)
            skips = self._skips(new)
            merged, ignored = self._merge(team, old_folder, new_folder, skips)
            self._migrate_merged(merged, migrations)
            message = new._render_string(new.template.message_after_update)
            changelog = new.template.local_abspath / "CHANGELOG.md"
            text = changelog.read_text(encoding="utf-8", errors="replace") if changelog.is_file() else ""
        notes = between(text, version_of(self.answers.commit), self.wish.release.version)
        return Plan(self.head, merged.tree, self.old_name, self.new_name, merged, ignored, new_answers, notes, keeps_in, message)

    def _worker(self, ref: str, folder: Path, **options: Any) -> Worker:
        return worker(self.source, ref, folder / self.project.prefix, answers_file=Path(self.project.answers_file), **options)

    def _check_names(self, new: Worker) -> None:
        with explained(f"The template's version {self.new_name} cannot be read"):
            asked = new.template.questions_data
        require_sensible(self.wish.answers, asked, self.new_name)

    def _render(self, chosen: Worker, name: str) -> None:
        say(f"Rendering {name} ...")
        with explained(f"The template's version {name} cannot be rendered with the project's answers"):
            render(chosen)

    def _place_answers(self, team: str, folder: Path) -> None:
        """Put the answers where Copier looks for earlier ones. A migration may have changed them."""
        target = folder / self.project.answers_path
        target.parent.mkdir(parents=True)
        target.write_bytes(self.git.run("cat-file", "blob", f"{team}:{self.project.answers_path}"))

    def _rendered_answers(self, folder: Path) -> Answers:
        file = folder / self.project.answers_path
        return Answers.read(file.read_bytes(), self.project.answers_file)

    def _migrate_merged(self, merged: Merge, migrations: Migrations) -> None:
        before = merged.tree
        merged.tree, left = migrations.after(before)
        gone = entries(self.git, before).keys() - entries(self.git, merged.tree).keys() if merged.tree != before else set()
        replaced = gone | {stage.path for stage in left}
        merged.stages = [stage for stage in merged.stages if stage.path not in replaced] + left
        if kept := migrations.kept():
            in_head, in_result = entries(self.git, self.head), entries(self.git, merged.tree)
            gone = {path for path in kept if path in in_head and path not in in_result}
            merged.removed |= {path: in_head[path] for path in gone}
            merged.aside = {path: content for path, content in kept.items() if path not in gone}

    def _skips(self, new: Worker) -> Callable[[str], bool]:
        """Return what tells the files that the template never touches once they are there (`_skip_if_exists`)."""
        if not new.all_skip_if_exists:
            return lambda _: False
        prefix, matches = self.project.prefix, new.match_skip
        return lambda path: matches(Path(path.removeprefix(prefix)))

    def _merge(self, team: str, old_folder: Path, new_folder: Path, skips: Callable[[str], bool]) -> tuple[Merge, Ignored]:
        say("Merging ...")
        attributes = attributes_of(self.git, team)
        old, new = (tree_of(self.git, folder, attributes) for folder in (old_folder, new_folder))
        in_team, in_old, in_new = (entries(self.git, tree) for tree in (team, old, new))
        ignored = compare(self.git, self.project.top, set(in_team), in_old, in_new)
        left_out = {path: None for path in in_new if path in ignored.hidden or (path in in_team and skips(path))}
        moved = followed(self.git, self.head, team, in_old, in_new)
        # The answers are what was just rendered, whatever the team has done to the file: one file on all three sides.
        answers = {self.project.answers_path: in_new[self.project.answers_path]}
        sides = Sides(
            old=changed_tree(self.git, old, moved | dict.fromkeys((ignored.hidden | left_out.keys()) & in_old.keys()) | answers),
            ours=changed_tree(self.git, team, answers),
            new=changed_tree(self.git, new, left_out),
            old_label=f"evergreen {self.old_name}",
            new_label=f"evergreen {self.new_name}",
        )
        merged = merge(self.git, sides)
        if self.wish.syntax_aware:
            syntax.settle(self.git, merged)
        return merged, ignored
