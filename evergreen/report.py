"""What an update does or would do, as data: the same for text, JSON and Markdown."""

import re
from dataclasses import dataclass, field
from typing import Any

from evergreen.git import Git
from evergreen.planning import Plan
from evergreen.project import Answers

HUNK = re.compile(rb"^<{7,} .*?^>{7,} [^\n]*", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Report:
    """An update's effects. Paths are those of the repository; removed edited files are not among `removed`."""

    old: str
    new: str
    added: list[str]
    changed: list[str]
    removed: list[str]
    renamed: dict[str, str]
    conflicts: dict[str, list[str]]
    """Hunks by file; none for a conflict that is not about lines."""
    merged_by_syntax: list[str]
    edited_removed: list[str]
    stays_deleted: list[str]
    stays_moved: list[str]
    binaries: list[str]
    ignored_written: list[str]
    ignored_unlike: list[str]
    relocated: list[str]
    new_answers: dict[str, Any]
    changed_answers: dict[str, list[Any]]
    dropped_answers: dict[str, Any]
    notes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def quiet(self) -> bool:
        """Whether the update changes nothing but the version."""
        return not (self.added or self.removed or self.renamed or self.conflicts or self.edited_removed or len(self.changed) > 1)


def report(git: Git, before: Answers, plan: Plan) -> Report:
    """Describe a plan; git is the one that holds its objects."""
    merge, renamed, by_status = plan.merge, {}, {"A": [], "M": [], "D": [], "T": []}  # type: tuple[Any, dict[str, str], dict[str, list[str]]]
    fields = iter(git.fields("diff-tree", "-r", "-z", "--find-renames", "--name-status", plan.head, plan.tree))
    for status in fields:
        path = next(fields)
        if status[0] == "R":
            renamed[path] = next(fields)
        else:
            by_status[status[0]].append(path)
    conflicts = {path: hunks(git, plan.tree, path) for path in merge.conflicts}
    old, new = questions(before), questions(plan.answers)
    return Report(
        old=plan.old,
        new=plan.new,
        added=[path for path in by_status["A"] if path not in conflicts],
        changed=[path for path in sorted(by_status["M"] + by_status["T"]) if path not in {*conflicts, *merge.by_syntax}],
        removed=[path for path in by_status["D"] if path not in merge.removed],
        renamed=renamed,
        conflicts=conflicts,
        merged_by_syntax=merge.by_syntax,
        edited_removed=sorted(merge.removed),
        stays_deleted=sorted(merge.stays_deleted),
        stays_moved=sorted(merge.stays_moved),
        binaries=sorted(merge.binaries),
        ignored_written=sorted(plan.ignored.written),
        ignored_unlike=sorted(plan.ignored.unlike),
        relocated=merge.relocated,
        new_answers={name: value for name, value in new.items() if name not in old},
        changed_answers={name: [old[name], new[name]] for name in old if name in new and old[name] != new[name]},
        dropped_answers={name: value for name, value in old.items() if name not in new},
        notes=[
            {"version": str(part.version), "security": part.security, "migration": part.migration, "text": part.text}
            for part in plan.notes
        ],
    )


def questions(answers: Answers) -> dict[str, Any]:
    """Return the answers without Copier's own entries."""
    return {name: value for name, value in answers.values.items() if not name.startswith("_")}


def hunks(git: Git, tree: str, path: str) -> list[str]:
    """Return the parts of a file between conflict markers."""
    result = git.start("cat-file", "blob", f"{tree}:{path}")
    return [found.decode(errors="replace") for found in HUNK.findall(result.stdout)] if result.returncode == 0 else []
