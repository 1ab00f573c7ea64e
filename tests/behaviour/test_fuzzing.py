"""`make fuzz` of the generated project: it finds nothing in what the template brings, and what a team does wrong."""

import re
from collections.abc import Callable, Iterator

import pytest
from support.projects import Project

CALLERS = ("nobody", "member", "administrator", "platform")
PLANTED = '''
"""Routes as somebody in a hurry writes them."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from app.core.errors import BadRequestError, NotFoundError, problem_responses
from app.identity.dependencies import require

router = APIRouter(
    prefix="/planted",
    tags=["planted"],
    dependencies=[require("statements/read")],
    responses=problem_responses(401, 403, 422, 429, 503),
)


@router.get("/crash")
async def crash() -> int:
    return int("three")


@router.get("/status")
async def status() -> int:
    raise NotFoundError("There is none.")


@router.get("/body")
async def body() -> int:
    return JSONResponse("three")


@router.get("/secret", responses=problem_responses(400))
@router.get("/excepted", responses=problem_responses(400))
async def secret(code: str) -> int:
    raise BadRequestError(f"{code} is not the code.")
'''
EXCEPTION = """
[[operations]]
include-path = "/api/v1/planted/excepted"
checks.positive_data_acceptance.expected-statuses = ["200", "400"]
"""
FOUND = {
    "crash": "Server error",
    "status": "Undocumented status code",
    "body": "Response violates schema",
    "secret": "Schema-valid request rejected",
}


@pytest.fixture
def planted(workshop: Callable[..., Project]) -> Iterator[Project]:
    project = workshop()
    module, modules = (project.path / "backend/app/modules" / name for name in ("planted.py", "__init__.py"))
    before = modules.read_text()
    exceptions = project.path / "backend/schemathesis.toml"
    module.write_text(PLANTED)
    exceptions.write_text(EXCEPTION)
    modules.write_text(f"{before}\nfrom app.modules.planted import router as planted\n\nROUTERS = (*ROUTERS, planted)\n")
    yield project
    modules.write_text(before)
    module.unlink()
    exceptions.unlink()


@pytest.mark.verify
def test_make_fuzz_finds_nothing(workshop: Callable[..., Project]) -> None:
    printed = workshop().make("fuzz", FUZZ_SECONDS="40")

    for caller in CALLERS:
        requests = re.search(rf"^{caller}: (\d+) requests", printed, re.MULTILINE)
        assert requests, printed[-4000:]
        assert int(requests[1]) > 300, printed[-4000:]
    assert re.search(r"^\d+ answers in 40 s .* broken off, .* 0 leaks", printed, re.MULTILINE), printed[-4000:]


@pytest.mark.verify
def test_make_fuzz_finds_what_a_module_does_wrong(planted: Project) -> None:
    said = planted.run("sh", "-c", "make fuzz || echo It failed.", FUZZ_SECONDS="4", ARGS="-k administrator")

    assert said.endswith("It failed.\n")
    for path, found in FOUND.items():
        assert re.search(rf"/planted/{path} _.*?{found}", said, re.DOTALL), said
    assert "/planted/excepted _" not in said, said
