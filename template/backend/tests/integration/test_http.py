"""What every request gets: id, client address, log line, errors as problems; cursors of lists."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.core.context import get_client_address
from app.core.errors import ConflictError
from app.core.pagination import CURSOR, Cursor, PageQuery
from app.project import API_PREFIX
from tests.conftest import CLIENT_ADDRESS, Client, MakeApp, client_of

PROXY = "10.1.2.3"


@pytest.fixture
async def seen(make_app: MakeApp, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[FastAPI]:
    """The application with a route that tells what it sees of the client."""
    async with make_app(trusted_proxies="10.0.0.0/8", log_format="json") as app:

        @app.get(f"{API_PREFIX}/seen")
        async def see(request: Request) -> dict[str, Any]:
            return {"address": get_client_address(), "scheme": request.url.scheme}

        capsys.readouterr()
        yield app


async def ask(app: FastAPI, peer: str, path: str = f"{API_PREFIX}/seen", **headers: str) -> Any:
    """Ask as a peer of the server, and return its answer."""
    transport = httpx2.ASGITransport(app, client=(peer, 5000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get(path, headers=headers)
    return response.json()


async def test_a_request_gets_an_id(client: Client) -> None:
    first, second = await client.get("/health"), await client.get("/health")

    assert len(first.headers["x-request-id"]) == 32
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


async def test_a_caller_s_id_is_kept(client: Client) -> None:
    response = await client.get("/health", headers={"X-Request-ID": "trace-2026.11_22"})

    assert response.headers["x-request-id"] == "trace-2026.11_22"


@pytest.mark.parametrize("given", ["short", "x" * 129, "a b c d e f g h", '{"level":"error"}'])
async def test_an_id_that_could_do_harm_is_replaced(client: Client, given: str) -> None:
    response = await client.get("/health", headers={"X-Request-ID": given})

    assert response.headers["x-request-id"] != given


async def test_a_trusted_proxy_is_believed(seen: FastAPI) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.9, 10.9.9.9", "X-Forwarded-Proto": "https"}

    assert await ask(seen, PROXY, **forwarded) == {"address": "203.0.113.9", "scheme": "https"}


async def test_nobody_else_is_believed(seen: FastAPI) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}

    answer = await ask(seen, CLIENT_ADDRESS[0], **forwarded)

    assert answer == {"address": CLIENT_ADDRESS[0], "scheme": "http"}


async def test_an_address_that_the_client_made_up_is_passed_over(seen: FastAPI) -> None:
    answer = await ask(seen, PROXY, **{"X-Forwarded-For": "1.1.1.1, 203.0.113.9"})

    assert answer["address"] == "203.0.113.9"


async def test_the_access_log_has_a_line_per_request_and_no_query(
    seen: FastAPI, capsys: pytest.CaptureFixture[str]
) -> None:
    await ask(seen, PROXY, f"{API_PREFIX}/seen?code=hide")

    (line,) = capsys.readouterr().out.splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["method"], entry["status"]) == ("request", "GET", 200)
    assert entry["path"] == f"{API_PREFIX}/seen"
    assert entry["duration_ms"] >= 0
    assert entry["request_id"]
    assert "hide" not in line


async def test_probes_are_not_logged(seen: FastAPI, capsys: pytest.CaptureFixture[str]) -> None:
    await ask(seen, PROXY, f"{API_PREFIX}/health")

    assert capsys.readouterr().out == ""


async def test_only_listed_origins_may_read_answers(make_app: MakeApp) -> None:
    async with make_app(cors_origins="https://a.test,https://b.test") as app:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            allowed = {
                origin: (
                    await client.options(
                        f"{API_PREFIX}/health",
                        headers={"Origin": origin, "Access-Control-Request-Method": "GET"},
                    )
                ).headers.get("access-control-allow-origin")
                for origin in ("https://a.test", "https://evil.test")
            }

    assert allowed == {"https://a.test": "https://a.test", "https://evil.test": None}


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


@given(st.datetimes(datetime(1700, 1, 1), datetime(2280, 1, 1), timezones=st.just(UTC)), st.uuids())  # noqa: DTZ001
def test_a_cursor_comes_back_as_it_was(created_at: datetime, row_id: UUID) -> None:
    cursor = Cursor(created_at, row_id)

    assert Cursor.decode(PageQuery(cursor=cursor.encode()).cursor or "") == cursor


@given(st.text())
def test_anything_else_is_refused_and_nothing_fails(text: str) -> None:
    with pytest.raises(ValidationError, match="is no cursor"):
        PageQuery.model_validate({"cursor": text})


@given(st.from_regex(CURSOR, fullmatch=True))
def test_a_cursor_that_somebody_made_up_is_a_place_that_the_database_knows(text: str) -> None:
    assert 1600 < Cursor.decode(text).created_at.year < 2300


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_a_page_has_1_to_100_items(limit: int) -> None:
    with pytest.raises(ValidationError):
        PageQuery(limit=limit)


async def test_a_wrong_method_is_told_every_right_one(client: Client) -> None:
    answer = await client.delete("/tenant")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PATCH")


async def test_a_slash_too_many_leads_nowhere(client: Client) -> None:
    """Starlette would answer with 307, to the host that the header Host names."""
    assert (await client.get("/tenant/")).status_code == 404
