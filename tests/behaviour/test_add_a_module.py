"""The project's guide to a module of one's own works as it is written: its commands are run, in order."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from support.markdown import PARSER
from support.projects import Project

PAGE = "docs/how-to/add-a-module.md"
MODULES = "backend/app/modules/__init__.py"


def code_blocks(page: Path) -> list[str]:
    """Return the code of a page, block by block."""
    return [token.content for token in PARSER.parse(page.read_text(encoding="utf-8")) if token.type in ("code_block", "fence")]


def list_router(modules: Path, lines: str) -> None:
    """Edit the list of modules as the guide shows it: imports and the tuple become those of the guide."""
    text = modules.read_text(encoding="utf-8")
    wanted = [line for line in lines.splitlines() if line]
    kept = [line for line in text.splitlines() if not line.startswith(("from app.modules.", "ROUTERS"))]
    place = next(index for index, line in enumerate(kept) if line.startswith("from fastapi")) + 2
    kept[place:place] = [line for line in wanted if line.startswith("from")]
    modules.write_text("\n".join(kept + [line for line in wanted if line.startswith("ROUTERS")]) + "\n", encoding="utf-8")


@pytest.mark.verify
def test_the_guide_leads_to_a_module_that_passes_every_check(workshop: Callable[..., Project]) -> None:
    project = workshop(project_name="Notes of a reader")
    copy, routers, migration, isolation, migrate, tests = code_blocks(project.path / PAGE)

    project.run("sh", "-euc", copy)
    list_router(project.path / MODULES, routers)
    stack = "cd backend && .venv/bin/python -m dev --no-frontend --fresh --state ../.dev/guide -- sh -euc"
    project.run("sh", "-euc", f"{stack} {shlex.quote('cd .. && ' + migration + migrate)}")
    project.run("sh", "-euc", tests)

    (written,) = (project.path / "backend/alembic/modules").glob("*add_notes.py")
    assert isolation.strip() in written.read_text(encoding="utf-8")
    assert " passed" in project.make("test-backend", ARGS="tests/integration/test_notes.py")
