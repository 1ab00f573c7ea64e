"""What can be wrong with a project that is to be updated. Each finding says what is wrong and how to mend it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evergreen.errors import RefusedError, values
from evergreen.journal import Journal
from evergreen.project import Answers, Project
from evergreen.questions import BOOLEANS
from evergreen.rendering import explained, worker, working_in
from evergreen.template import DESCRIBED, Source, is_relative, version_of

LABELS = "(HEAD|ours|yours|before updating|after updating|theirs|evergreen )"
MARKER = rf"^(<<<<<<<|>>>>>>>) {LABELS}"


def faults(project: Project, waiting: Journal | None) -> Iterator[str]:
    """Examine a project and yield each fault."""
    if waiting:
        yield f"The update to {waiting.new} is not over. Resolve what is in conflict, then evergreen finish; or evergreen abort."
    else:
        yield from state(project)
    yield from committed_markers(project)
    yield from rejected(project)
    try:
        answers = project.answers
    except RefusedError as error:
        yield str(error)
        return
    try:
        source = Source.of(answers.source, project.root)
        tags = {release.tag for release in source.versions}
    except RefusedError as error:
        yield str(error)
        return
    yield from address(source)
    yield from copier_version(source)
    if unknown := list(version(source, answers, tags)):
        yield from unknown
        return
    yield from content(project, source, answers)


def state(project: Project) -> Iterator[str]:
    """Look for what would keep an update from beginning."""
    try:
        project.require_ready()
    except RefusedError as error:
        yield str(error)


def committed_markers(project: Project) -> Iterator[str]:
    """Look for conflict markers that were committed: the next update would nest others in them."""
    result = project.git.start("grep", "--cached", "-l", "-z", "-I", "-E", MARKER)
    found = [name.decode(errors="surrogateescape") for name in result.stdout.split(b"\0") if name]
    if found:
        yield f"Conflict markers are committed in {values(found)}. Resolve and commit them: the next update would nest others."


def rejected(project: Project) -> Iterator[str]:
    """Look for what `copier update --conflict rej` leaves."""
    found = [
        name
        for name in project.git.fields("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        if name.endswith(".rej")
    ]
    if found:
        yield f"Changes that an earlier update could not apply lie in {values(found)}. Apply them by hand, then delete the files."


def address(source: Source) -> Iterator[str]:
    """Look at how the template is named."""
    if is_relative(source.location):
        yield (
            f"The template's address is relative ({source.location}): it holds only where the project lies now, and plain copier "
            f"update resolves it from the working directory. Put {source.address} or a URL into _src_path, and commit it."
        )


def version(source: Source, answers: Answers, tags: set[str]) -> Iterator[str]:
    """Look at the version that the project says it is at."""
    described = DESCRIBED.fullmatch(answers.commit)
    known = described["tag"] if described else answers.commit
    if version_of(answers.commit) is None or known not in tags:
        yield (
            f"The project's version, {answers.commit} (_commit), is none that the template at {source.location} has "
            f"released ({values(sorted(tags))}). If the answers file was edited, restore it: git log -- .copier-answers.yml. "
            "If the project was generated from unreleased work, put the nearest release into _commit, and commit it."
        )


def copier_version(source: Source) -> Iterator[str]:
    """Ask whether the newest release wants a newer Copier than the one here."""
    try:
        newest = source.release(None)
        with working_in(source.base), worker(source, newest.tag, Path()) as chosen, explained(f"Version {newest} cannot be read"):
            chosen.template.config_data  # noqa: B018  reading it is what checks
    except RefusedError as error:
        yield f"{error}\nInstall the newer version: uv tool upgrade evergreen-template, or pip install --upgrade copier."


def content(project: Project, source: Source, answers: Answers) -> Iterator[str]:
    """Render the project's own version from its answers, without writing, and compare what Copier makes of them."""
    try:
        with tempfile.TemporaryDirectory(prefix="evergreen-") as folder, working_in(source.base):
            options = {"data": answers.values, "pretend": True, "answers_file": Path(project.answers_file)}
            with (
                worker(source, answers.commit, Path(folder), **options) as chosen,
                explained("The answers do not fit the template"),
            ):
                asked: dict[str, Any] = dict(chosen.template.questions_data)
                chosen._ask()
                given = chosen.answers
                hidden, combined = set(given.hidden), dict(given.combined)
    except RefusedError as error:
        yield (
            f"{error}\nIf the answers file was edited by hand, restore it (git log -- {project.answers_file}); answers change by "
            "evergreen update --set."
        )
        return
    own = {name: value for name, value in answers.values.items() if not name.startswith("_")}
    if unknown := [name for name in own if name not in asked]:
        yield (
            f"{project.answers_file} answers questions that version {answers.commit} does not ask: {values(unknown)}. "
            "The next update drops them. Was the file edited by hand? git log -- " + project.answers_file
        )
    if odd := [f"{name}: {value!r}" for name, value in own.items() if not_boolean(asked.get(name, {}), value)]:
        yield f"{project.answers_file} answers a yes or no with something else: {values(odd)}. Copier takes it for yes. Mend it."
    stored = {name for name in asked if name not in hidden and not asked[name].get("secret")}
    if missing := sorted(stored - own.keys()):
        yield (
            f"{project.answers_file} lacks answers: {values([f'{name} (default: {combined.get(name)})' for name in missing])}. "
            "The next update takes the defaults. Restore them if the project was generated with others."
        )


def not_boolean(question: dict[str, Any], value: Any) -> bool:
    """Tell whether an answer to a yes or no is neither."""
    return question.get("type") == "bool" and str(value).lower() not in BOOLEANS
