"""Three-way merges whose right result is known, because both sides' edits are made here.

An edit is a list of replacements at places of the base, so two edits that do not overlap have a common result. Insertions at one
place have two, one for each order.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Replace:
    """Put text where the base has its characters from start to end."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Case:
    """One merge.

    `right` holds every result that is right; it is empty where only a person can decide, so that a conflict is right.
    """

    kind: str
    language: str
    base: str
    ours: str
    theirs: str
    right: tuple[str, ...]

    def swapped(self) -> "Case":
        """Return the same merge with the sides exchanged."""
        return Case(self.kind, self.language, self.base, self.theirs, self.ours, self.right)


Edit = list[Replace]


def applied(base: str, edit: Edit) -> str:
    """Return the base with an edit; of insertions at one place, the first listed comes first."""
    # From the end, so that places stay right. What is put at one place later comes before what was there.
    for _, part in sorted(enumerate(edit), key=lambda item: (item[1].start, item[1].end, item[0]), reverse=True):
        base = base[: part.start] + part.text + base[part.end :]
    return base


def both(kind: str, language: str, base: str, ours: Edit, theirs: Edit) -> Case:
    """Return the merge of two edits that do not contradict each other."""
    right = dict.fromkeys((applied(base, ours + theirs), applied(base, theirs + ours)))
    return Case(kind, language, base, applied(base, ours), applied(base, theirs), tuple(right))


def rewritten(kind: str, language: str, base: str, rewrite: Callable[[str], str], theirs: Edit) -> Case:
    """Return the merge of one side that rewrites the whole file (moves, reformats) with an edit."""
    edited = applied(base, theirs)
    return Case(kind, language, base, rewrite(base), edited, (rewrite(edited),))


def contradiction(kind: str, language: str, base: str, ours: Edit, theirs: Edit) -> Case:
    """Return a merge that only a person can decide."""
    return Case(kind, language, base, applied(base, ours), applied(base, theirs), ())


def some(chance: random.Random, found: Iterable[tuple[int, ...]], most: int) -> list[tuple[int, ...]]:
    """Choose at most so many places."""
    places = list(found)
    return places if len(places) <= most else sorted(chance.sample(places, most))
