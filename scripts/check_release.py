"""Refuses a release that would cost a project's team something: `make release-check`.

Renders the last release and the working tree with the same answers, compares, and holds what is gone against `migrations/`.
Copier drops a team's edits of a renamed file silently, and an answer whose choice is gone falls back to the default.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import check_questions
import rendering
from packaging.version import Version
from releases import REPOSITORY, Release, ReleaseError, git, releases

sys.path.insert(0, str(REPOSITORY))

from migrations import catalogue
from migrations.model import Migration

#: Releases before this one promised no updates; what they lose is listed, and refuses nothing.
SUPPORTED_FROM = Version("1.0.0")


@dataclass(frozen=True)
class Comparison:
    """The same project by two releases of the template: the content of each file by path."""

    answers: str
    old: dict[str, bytes]
    new: dict[str, bytes]


def last_release(repository: Path) -> Release:
    """Return the release that projects stand on: the newest that is not the present commit itself.

    Raises:
        ReleaseError: there is none yet.
    """
    head, dirty = git(repository, "rev-parse", "HEAD"), git(repository, "status", "--porcelain")
    known = [release for release in releases(repository) if dirty or release.commit != head]
    if not known:
        raise ReleaseError("There is no release to compare with: the first needs no migration.")
    return known[-1]


def last_published(repository: Path) -> Release:
    """Return the newest release that has its tag and so may have reached projects; in a clone without tags, the last release.

    A push may bring a release and commits after it. Its tag comes after this check, so it is not compared with itself.

    Raises:
        ReleaseError: there is none yet.
    """
    last, tags = last_release(repository), set(git(repository, "tag", "--list").splitlines())
    tagged = [release for release in releases(repository) if release.tag in tags and release.version <= last.version]
    return tagged[-1] if tagged else last


def lost_files(comparison: Comparison, migrations: list[Migration]) -> list[str]:
    """Name files that the old release renders and the new one does not, and that no migration speaks of."""
    declared = catalogue.plan(migrations)
    together = Migration(moved=declared.moved, removed=declared.removed)
    findings = []
    for path in sorted(comparison.old.keys() - comparison.new.keys()):
        targets = together.targets(path)
        if not targets and not together.removes(path):
            findings.append(
                f"{path} is gone or has another name: a team's edits of it would be lost. Declare it as moved or removed."
            )
        findings += [
            f"{path} is declared as moved to {target}, which is not rendered."
            for target in targets
            if target not in comparison.new
        ]
    return findings


def changed_seams(comparison: Comparison, migrations: list[Migration]) -> list[str]:
    """Name files of the team, by the old release's own page, that the new release changes."""
    declared = catalogue.plan(migrations).seams
    return [
        f"{path} belongs to the team, and this release changes it. Leave it, or declare it under seams and say why."
        for path in rendering.files_of_the_team(comparison.old)
        if path in comparison.new and comparison.new[path] != comparison.old[path] and path not in declared
    ]


def compare(old: Path, new: Path, migrations: list[Migration], folder: Path) -> list[str]:
    """Return what stands against a release.

    Args:
        old: the template at the last release.
        new: the template as it is.
        migrations: those of the releases in between.
        folder: empty, to render into.

    """
    asked, asking = rendering.questions(old), rendering.questions(new)
    findings = check_questions.compare(asked, asking, migrations)
    for number, (name, answers) in enumerate(rendering.answer_sets(asked).items()):
        before = rendering.render(old, folder / f"old-{number}", answers)
        stored = check_questions.carried_over(rendering.stored_answers(before), asking, migrations)
        try:
            after = rendering.render(new, folder / f"new-{number}", stored)
        except ValueError as error:
            findings.append(f"{' '.join(str(error).split())} Projects have that answer ({name}): do not tighten, or migrate it.")
            continue
        comparison = Comparison(name, rendering.files_of(before), rendering.files_of(after))
        findings += lost_files(comparison, migrations) + changed_seams(comparison, migrations)
    return list(dict.fromkeys(findings))


def check(repository: Path = REPOSITORY) -> tuple[Release, list[str]]:
    """Compare the working tree with the last release, and return that release and what stands against the next."""
    last = last_published(repository)
    modules = repository / "migrations"
    migrations = [catalogue.load(version, modules) for version in catalogue.versions(modules) if version > last.version]
    with tempfile.TemporaryDirectory(prefix="evergreen-release-") as root:
        old = rendering.check_out(repository, last.commit, Path(root) / "old")
        new = rendering.copy_working_tree(repository, Path(root) / "new")
        return last, compare(old, new, migrations, Path(root))


def main() -> int:
    try:
        last, findings = check()
    except ReleaseError as error:
        print(f"release-check: {error}", file=sys.stderr)
        return 1
    for finding in findings:
        print(f"- {finding}")
    if not findings:
        print(f"Nothing that projects have is lost since {last.version}.")
    elif last.version < SUPPORTED_FROM:
        print(f"{len(findings)} findings since {last.version}, which promised no updates: nothing is refused.")
        return 0
    else:
        print(f"{len(findings)} findings since {last.version}: write a migration (docs/how-to/release.md), or undo the change.")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
