"""Finds which answers each template file depends on, and few whole projects that show every file in every form.

An answer with a finite set of values (a yes/no question, a choice) multiplies the projects that can be generated. A file
whose path, content and exclusion mention two of them has only those two's combinations; so a few dozen projects contain
every combination of every file.
"""

import fnmatch
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from answers import AnswerChecks
from identifiers import IdentifierFilters
from jinja2 import Environment, meta
from jinja2_ansible_filters import AnsibleCoreFiltersExtension

from support.rendering import REPOSITORY, questions, template_sources

SUFFIX = ".jinja"
Answers = dict[str, Any]


def finite_answers() -> dict[str, tuple[Any, ...]]:
    """Return the values of every question that has a finite set of them."""
    values: dict[str, tuple[Any, ...]] = {}
    for name, question in questions().items():
        if question.get("when") is False or question.get("ask") is False:
            continue
        if question["type"] == "bool":
            values[name] = (True, False)
        elif "choices" in question:
            choices = question["choices"]
            values[name] = tuple(choices.values() if isinstance(choices, Mapping) else choices)
    return values


def defaults() -> Answers:
    """Return the default of every question with a finite set of values."""
    return {name: questions()[name]["default"] for name in finite_answers()}


def features() -> list[str]:
    """Return the yes/no questions that switch a feature."""
    return [name for name in finite_answers() if name.startswith("include_")]


def environment() -> Environment:
    """Return a Jinja environment that parses what Copier would."""
    return Environment(  # noqa: S701 - it only parses
        extensions=[AnsibleCoreFiltersExtension, AnswerChecks, IdentifierFilters], keep_trailing_newline=True
    )


def exclusions() -> dict[str, str]:
    """Return each conditional exclusion's glob pattern with the feature that it belongs to."""
    patterns = {}
    for path in (REPOSITORY / "questions").glob("*.yml"):
        for pattern in (yaml.safe_load(path.read_text()) or {}).get("_exclude", []):
            names = meta.find_undeclared_variables(environment().parse(pattern))
            if names == {"kept_files"}:  # by what a team had, with every feature alike
                continue
            (feature,) = names & set(features())
            patterns[pattern.split("%}")[1].split("{%")[0]] = feature
    return patterns


def dependencies() -> dict[Path, frozenset[str]]:
    """Return, for each file below `template/`, the answers with a finite set of values that its form depends on."""
    jinja, finite, excluded = environment(), set(finite_answers()), exclusions()
    found: dict[Path, frozenset[str]] = {}
    for source in template_sources():
        if source.parts[0] != "template":
            continue
        path = source.relative_to("template")
        texts = [str(path)]
        if path.suffix == SUFFIX:
            texts.append((REPOSITORY / source).read_text(encoding="utf-8"))
        names = set().union(*(meta.find_undeclared_variables(jinja.parse(text)) for text in texts)) & finite
        names |= {
            feature
            for pattern, feature in excluded.items()
            if any(fnmatch.fnmatch(str(part), pattern) for part in [path, *path.parents])
        }
        found[path] = frozenset(names)
    return found


def projects() -> list[Answers]:
    """Return answers for few whole projects in which every file has every form that it can have.

    First those that a person would try (defaults, all features, none, each alone, each missing), then whatever
    combination they leave out, packed greedily.
    """
    switches = features()
    wanted: list[Answers] = [{}, dict.fromkeys(switches, True), dict.fromkeys(switches, False)]
    for switch in switches:
        wanted.append({name: name == switch for name in switches})
        wanted.append({name: name != switch for name in switches})
    chosen = _without_repeats({**defaults(), **answers} for answers in wanted)
    open_forms = {form for names in dependencies().values() for form in forms(names)}
    open_forms -= {form for answers in chosen for form in open_forms if fits(form, answers)}
    while open_forms:
        answers = defaults()
        fixed: set[str] = set()
        for form in sorted(open_forms, key=lambda form: (-len(form), str(form))):
            if all(answers[name] == value for name, value in form if name in fixed):
                answers.update(form)
                fixed |= {name for name, _ in form}
        open_forms -= {form for form in open_forms if fits(form, answers)}
        chosen.append(answers)
    return _without_repeats(chosen)


Form = tuple[tuple[str, Any], ...]


def forms(names: Iterable[str]) -> list[Form]:
    """Return every combination of the values of some answers."""
    ordered = sorted(names)
    return [
        tuple(zip(ordered, values, strict=True)) for values in itertools.product(*(finite_answers()[name] for name in ordered))
    ]


def fits(form: Form, answers: Answers) -> bool:
    """Say whether a project with these answers shows a file in this form."""
    return all(answers[name] == value for name, value in form)


def _without_repeats(candidates: Iterable[Answers]) -> list[Answers]:
    unique: list[Answers] = []
    for answers in candidates:
        if answers not in unique:
            unique.append(answers)
    return unique
