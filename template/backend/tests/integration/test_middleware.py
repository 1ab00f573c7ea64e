import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request

from app.core.context import get_client_address
from app.project import API_PREFIX
from tests.conftest import CLIENT_ADDRESS, Client, MakeApp

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
