"""Writes reports: as text for a terminal, as Markdown for a pull request, as JSON for programs."""

import json
from dataclasses import asdict
from typing import Any

from evergreen.report import Report

SHOWN = 40
"""Names of one kind that the text and the Markdown list; the JSON has them all."""
KINDS = [
    ("conflicts", "In conflict, for you to decide"),
    ("merged_by_syntax", "Merged by syntax where git had a conflict: look at each"),
    ("edited_removed", "Removed with your edits in them; your version is kept in .evergreen/"),
    ("binaries", "Binaries that both changed: yours stays, the template's is in .evergreen/"),
    ("ignored_unlike", "Ignored files of yours that the template writes too: yours stays, the template's is in .evergreen/"),
    ("stays_deleted", "Deleted by you, changed by the template: stays deleted"),
    ("stays_moved", "Moved by you, gone from the template: stays, and is yours now"),
    ("relocated", "Put into a folder that was moved"),
    ("added", "Added"),
    ("changed", "Changed"),
    ("renamed", "Renamed"),
    ("removed", "Removed"),
    ("ignored_written", "Ignored files written"),
]


def as_json(report: Report, **more: Any) -> str:
    """Return the whole report for a program."""
    return json.dumps(asdict(report) | more, indent=2, default=str)


def items(report: Report, name: str) -> list[str]:
    """Return one kind's entries as lines."""
    found = getattr(report, name)
    return [f"{old} -> {new}" for old, new in found.items()] if name == "renamed" else list(found)


def answers(report: Report) -> list[tuple[str, list[str]]]:
    """Return what happens to answers, by kind."""
    return [
        ("New questions, with the answers that apply", [f"{name}: {value}" for name, value in report.new_answers.items()]),
        ("Answers that change", [f"{name}: {old} -> {new}" for name, (old, new) in report.changed_answers.items()]),
        ("Answers that are dropped", [f"{name}: {value}" for name, value in report.dropped_answers.items()]),
    ]


def as_text(report: Report, *, would: bool) -> str:
    """Return the report for a terminal.

    Args:
        report: what is reported.
        would: whether it is a preview: then conflicts are shown with their lines.
    """
    lines = [f"{report.old} -> {report.new}{outcome(report)}"]
    for title, found in [*((title, items(report, name)) for name, title in KINDS), *answers(report)]:
        if found:
            lines += ["", f"{title} ({len(found)}):", *(f"  {line}" for line in shortened(found))]
    if would:
        for path, parts in report.conflicts.items():
            lines += ["", f"--- {path}", *(part for part in parts)]
    for note in report.notes:
        lines += [
            "",
            f"Notes of {note['version']}" + (" (security release)" if note["security"] else ""),
            "",
            indented(note["text"]),
        ]
    return "\n".join(lines)


def outcome(report: Report) -> str:
    """Return in a few words how an update ends."""
    if report.quiet:
        return f": {nothing(report)}"
    return "" if report.conflicts else ", without conflicts"


def nothing(report: Report) -> str:
    """Return what a quiet update comes to; one to the same version was asked for to change answers, or is a preview."""
    if report.old != report.new:
        return "nothing changes but the version"
    return "nothing changes but the answers" if report.changed_answers else "nothing changes"


def as_markdown(report: Report) -> str:
    """Return the report as the text of a pull request."""
    lines = [f"## Template {report.old} → {report.new}", ""]
    if report.quiet:
        lines += [f"{nothing(report).capitalize()}.", ""]
    for title, found in [*((title, items(report, name)) for name, title in KINDS), *answers(report)]:
        if found:
            lines += [f"### {title} ({len(found)})", "", *(f"- {code(line)}" for line in shortened(found)), ""]
    for path, parts in report.conflicts.items():
        for part in parts:
            fence = "`" * max(3, longest_run(part) + 1)
            lines += [f"{code(path)}:", "", f"{fence}diff", part, fence, ""]
    for note in report.notes:
        lines += [f"### Notes of {note['version']}" + (" (security release)" if note["security"] else ""), "", note["text"], ""]
    return "\n".join(lines).rstrip()


def shortened(found: list[str]) -> list[str]:
    """Return the first of many, and how many there are more."""
    return found if len(found) <= SHOWN else [*found[:SHOWN], f"... and {len(found) - SHOWN} more"]


def indented(text: str) -> str:
    """Set a text off from what is ours."""
    return "\n".join(f"  {line}" if line else "" for line in text.splitlines())


def code(text: str) -> str:
    """Return a text as Markdown code, whatever backticks it has."""
    fence = "`" * (longest_run(text) + 1)
    return f"{fence}{text}{fence}"


def longest_run(text: str) -> int:
    """Return the length of the longest run of backticks."""
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest
