import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.core.errors import ConflictError
from app.project import API_PREFIX
from tests.conftest import Client, MakeApp, client_of

ORIGIN = "https://app.example.com"


@pytest.fixture
async def failing(make_app: MakeApp, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[FastAPI]:
    """The application with routes that fail in each way."""
    async with make_app(cors_origins=ORIGIN, log_format="json") as app:

        @app.get(f"{API_PREFIX}/conflict")
        async def conflict() -> None:
            raise ConflictError("Twice.", headers={"X-Why": "twice"}, other="thing")

        @app.get(f"{API_PREFIX}/crash")
        async def crash() -> None:
            raise RuntimeError("a secret detail")

        @app.get(f"{API_PREFIX}/busy")
        async def busy() -> None:
            raise PoolTimeoutError

        @app.get(f"{API_PREFIX}/breaks-off")
        async def breaks_off() -> StreamingResponse:
            async def body() -> AsyncIterator[bytes]:
                yield b"a"
                raise RuntimeError("in the middle")

            return StreamingResponse(body())

        capsys.readouterr()
        yield app


def problem(response: httpx2.Response, status: int) -> dict[str, Any]:
    """Return a problem after checking what every problem has."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    content: dict[str, Any] = response.json()
    assert content["status"] == status
    assert content["title"]
    assert content["detail"]
    assert content["instance"] == response.request.url.path
    assert content["request_id"] == response.headers["x-request-id"]
    return content


async def test_an_unknown_path(client: Client) -> None:
    assert problem(await client.get("/nowhere"), 404)["type"] == "about:blank"


async def test_a_wrong_method(client: Client) -> None:
    response = await client.delete("/health")

    assert problem(response, 405)["title"] == "Method Not Allowed"
    assert response.headers["allow"] == "GET"


async def test_a_raised_problem_keeps_its_headers_and_members(failing: FastAPI) -> None:
    async with client_of(failing) as client:
        response = await client.get("/conflict")

    assert problem(response, 409)["type"] == "/problems/conflict"
    assert response.json()["other"] == "thing"
    assert response.headers["x-why"] == "twice"


async def test_a_busy_pool_is_said_and_when_to_come_back(failing: FastAPI) -> None:
    async with client_of(failing) as client:
        response = await client.get("/busy")

    problem(response, 503)
    assert response.headers["retry-after"] == "1"


async def test_an_unhandled_error_passes_every_middleware_and_is_logged_once(
    failing: FastAPI, capsys: pytest.CaptureFixture[str]
) -> None:
    async with client_of(failing) as client:
        response = await client.get("/crash", headers={"Origin": ORIGIN})

    content = problem(response, 500)
    assert content["type"] == "/problems/internal-error"
    assert "secret" not in response.text
    assert response.headers["access-control-allow-origin"] == ORIGIN
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (crash,) = [line for line in logged if "exception" in line]
    assert "RuntimeError: a secret detail" in crash["exception"]
    assert crash["request_id"] == content["request_id"]
    (access,) = [line for line in logged if line["event"] == "request"]
    assert (access["status"], access["path"]) == (500, f"{API_PREFIX}/crash")


async def test_an_error_after_the_answer_began_reaches_the_server(failing: FastAPI) -> None:
    transport = httpx2.ASGITransport(failing, raise_app_exceptions=True)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        with pytest.raises(RuntimeError, match="in the middle"):
            await client.get(f"{API_PREFIX}/breaks-off")
