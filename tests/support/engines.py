"""The two ways to update a project of the whole template: plain Copier and the companion."""

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from copier import run_update

from support.companion import CACHE, evergreen
from support.releases import each_release
from support.rendering import ANSWERS_FILE

Update = Callable[..., int]
#: As the documentation of updates says: without it, Copier moves edits between blocks that look alike.
WHOLE_FILE = 100_000


def by_copier(project: Path, to: str | None = None, **answers: Any) -> int:
    """Update as `copier update --trust --defaults` does, which ends with 0 whatever happens, and return that."""
    with contextlib.chdir(project), mock.patch.dict(os.environ, COPIER_CACHE_DIR=str(CACHE)):
        run_update(
            vcs_ref=to and f"v{to}",
            data=answers,
            defaults=True,
            unsafe=True,
            quiet=True,
            overwrite=True,
            context_lines=WHOLE_FILE,
        )
    return 0


def by_companion(project: Path, to: str | None = None, **answers: Any) -> int:
    """Update by the command, and return its exit status."""
    given = [part for name, value in answers.items() for part in ("--set", f"{name}={value}")]
    outcome = evergreen(project, "update", "--trust", *(["--to", to] if to else []), *given)
    print(outcome.output, outcome.errors)
    return outcome.status


ENGINES: dict[str, Update] = {"evergreen": by_companion, "copier": by_copier}


def each_release_and_engine(*in_every_run: str) -> list[Any]:
    """Return parameters: the newest release by some engines for every run, all the rest for `make verify`."""
    newest, *earlier = each_release()
    earlier = [given.values[0] for given in earlier]
    return [
        pytest.param(version, engine, marks=[] if version == newest and engine in in_every_run else pytest.mark.verify)
        for version in (newest, *earlier)
        for engine in ENGINES
    ]


def point(project: Path, address: str) -> None:
    """Say where the template is, as the answers file has it."""
    answers = project / ANSWERS_FILE
    answers.write_text(re.sub(r"^_src_path: .*$", f"_src_path: {address}", answers.read_text(), flags=re.MULTILINE))


def address_of(project: Path) -> str:
    """Return where a project has its template, as the answers file has it."""
    address: str = yaml.safe_load((project / ANSWERS_FILE).read_text())["_src_path"]
    return address
