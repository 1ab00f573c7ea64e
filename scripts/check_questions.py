"""Compares the questions of two releases: what a project has answered must still be asked, and still be an answer."""

from collections.abc import Mapping
from typing import Any

from migrations import catalogue
from migrations.model import Migration

Questions = dict[str, dict[str, Any]]


def compare(old: Questions, new: Questions, migrations: list[Migration]) -> list[str]:
    """Name questions and choices that are gone, and that no migration speaks of."""
    plan = catalogue.plan(migrations)
    findings = []
    for name, question in old.items():
        present = plan.answers.get(name, name)
        if not is_asked(question) or name in plan.dropped:
            continue
        if present not in new or not is_asked(new[present]):
            findings.append(f"The question {name} is gone: its answers would be. Declare its new name, or that it is dropped.")
            continue
        kept, table = choices(new[present]), plan.choices.get(present, {})
        gone = [] if kept is None else [choice for choice in choices(question) or () if table.get(choice, choice) not in kept]
        findings += [
            f"The question {name} has lost its choice {choice!r}: projects with it would fall back to the default. "
            "Declare what takes its place."
            for choice in gone
        ]
        if question.get("type") != new[present].get("type"):
            findings.append(
                f"The question {name} was of type {question.get('type')} and is of type {new[present].get('type')}: "
                "old answers may not fit. Ask another question, and declare the old one as dropped."
            )
    return findings


def is_asked(question: Mapping[str, Any]) -> bool:
    """Say whether projects have an answer to a question: a computed value is not stored."""
    return question.get("when", True) is not False


def choices(question: Mapping[str, Any]) -> list[Any] | None:
    """Return the values to choose from, or None if any value is allowed."""
    offered = question.get("choices")
    if offered is None:
        return None
    if isinstance(offered, Mapping):
        offered = list(offered.values())
    return [choice["value"] if isinstance(choice, Mapping) else choice for choice in offered]


def carried_over(answers: dict[str, Any], new: Questions, migrations: list[Migration]) -> dict[str, Any]:
    """Return a project's answers as an update hands them to the new release."""
    plan = catalogue.plan(migrations)
    named = {plan.answers.get(name, name): value for name, value in answers.items()}
    return {
        name: plan.choices.get(name, {}).get(value, value)
        for name, value in named.items()
        if name in new and is_asked(new[name]) and _is_possible(value, new[name], plan.choices.get(name, {}))
    }


def _is_possible(value: Any, question: Mapping[str, Any], table: Mapping[Any, Any]) -> bool:
    """Say whether an answer is among the choices; one that is not has been named, and the rest is compared without it."""
    offered = choices(question)
    return offered is None or table.get(value, value) in offered
