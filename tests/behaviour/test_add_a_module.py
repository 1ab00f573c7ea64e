"""The project's guide to a module of one's own works as it is written: its commands are run, in order."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from support.markdown import PARSER
from support.projects import UNUSUAL, Project
from support.tools import program

PAGE = "docs/how-to/add-a-module.md"
MODULES = "backend/app/modules/__init__.py"
TESTS = "tests/integration/test_notes.py tests/integration/test_migrations.py tests/integration/test_row_level_security.py"
#: Those that hold for every module: they walk the routes, the tables and the migrations.
OF_ALL_MODULES = (
    f"{TESTS} tests/integration/test_routes.py tests/integration/test_fuzzing.py tests/integration/test_random_tenants.py"
    " tests/integration/test_tenancy.py tests/integration/test_todos.py tests/integration/test_http.py"
)
GENERATED = re.compile(r"    # ### commands auto generated.*?### end Alembic commands ###\n", re.DOTALL)


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


def without_todos(lines: str) -> str:
    """Return the guide's list of modules without the example."""
    kept = [line for line in lines.splitlines() if "todos.endpoints" not in line]
    return "\n".join(kept).replace(", todos)", ",)")


def run_with_a_database(project: Project, commands: str) -> None:
    """Run commands in the project's root while the development stack runs, with an empty database."""
    stack = "cd backend && .venv/bin/python -m dev --no-frontend --fresh --state ../.dev/guide -- sh -euc"
    project.run("sh", "-euc", f"{stack} {shlex.quote('cd .. && ' + commands)}")


@pytest.mark.verify
def test_the_guide_leads_to_a_module_that_passes_every_check(workshop: Callable[..., Project]) -> None:
    project = workshop(project_name="Notes of a reader")
    copy, routers, migration, isolation, migrate, tests, _fuzz, _exception, delete, *_, drop, _ = code_blocks(project.path / PAGE)
    migrations = project.path / "backend/alembic/modules"

    project.run("sh", "-euc", copy)
    list_router(project.path / MODULES, routers)
    run_with_a_database(project, migration + migrate)
    # The guide's own line. The rest of the suite knows no module; it runs without the example, below.
    project.run("sh", "-euc", tests, ARGS=OF_ALL_MODULES)

    (written,) = migrations.glob("*add_notes.py")
    assert isolation.strip() in written.read_text(encoding="utf-8")

    # The example goes where it has been in use: its migration stays, and another drops the table.
    project.run("sh", "-euc", delete)
    list_router(project.path / MODULES, without_todos(routers))
    run_with_a_database(project, 'make migration MESSAGE="drop todos"')
    (dropping,) = migrations.glob("*drop_todos.py")
    text = dropping.read_text(encoding="utf-8")
    dropping.write_text(GENERATED.sub(lambda _: f"    {drop.strip()}\n", text, count=1), encoding="utf-8")
    assert " passed" in project.make("test-backend", ARGS=TESTS)


@pytest.mark.verify
def test_without_the_example_every_check_passes_and_the_first_module_is_one_s_own(workshop: Callable[..., Project]) -> None:
    program("chromium", "chromium")
    project = workshop(**UNUSUAL, keycloak_port=8180)  # its own: it is changed
    copy, routers, _, _, migrate, tests, _fuzz, _exception, delete, *deleted = code_blocks(project.path / PAGE)
    no_routers, no_views, journey, no_todos, forget, begin, _, checks = deleted
    project.run("sh", "-euc", copy + tests.partition("make")[0])
    own = [project.path / "backend/app/modules/notes", project.path / "backend/tests/integration/test_notes.py"]
    aside = [path.rename(project.path.parent / path.name) for path in own]

    project.run("sh", "-euc", delete + no_todos + forget)
    list_router(project.path / MODULES, no_routers)
    (project.path / "frontend/src/modules/index.ts").write_text(no_views, encoding="utf-8")
    (project.path / "frontend/e2e/journey.spec.ts").write_text(journey, encoding="utf-8")
    project.run("sh", "-euc", checks)
    assert " passed" in project.make("e2e")

    for path, place in zip(aside, own, strict=True):
        path.rename(place)
    list_router(project.path / MODULES, without_todos(routers))
    run_with_a_database(project, f"({begin.strip()})\n{migrate}")
    assert " passed" in project.make("test-backend", ARGS=TESTS)
