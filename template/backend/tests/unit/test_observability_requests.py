"""How a request is counted, whatever becomes of it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from starlette.types import Receive, Scope, Send

from app.features.observability.registry import exposition
from app.features.observability.requests import RequestMetrics, method_label, route_label
from tests.observability_server import parse, sample

Inner = Callable[[Scope, Receive, Send], Awaitable[None]]


async def nothing() -> dict[str, str]:
    return {"type": "http.disconnect"}


async def ignore(message: object) -> None:
    pass


async def counted(inner: Inner, route: str, status: str) -> float:
    """Send a request to an application behind the middleware; returns by how much a count rose."""
    scope = {"type": "http", "method": "GET", "path": "/", "route": Route(route)}
    before = count(route, status)
    with suppress(RuntimeError, asyncio.CancelledError):
        await RequestMetrics(inner)(scope, nothing, ignore)
    return count(route, status) - before


def count(route: str, status: str) -> float:
    samples = parse(exposition("")[0].decode())
    assert sample(samples, "http_requests_in_progress") == 0
    return sample(samples, "http_requests_total", route=route, status=status) or 0


class Route:
    def __init__(self, template: str) -> None:
        self.path_format = template


async def test_an_answer_counts_with_its_status() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": []})

    assert await counted(inner, "/created", "201") == 1


async def test_an_error_that_nothing_has_answered_counts_as_500() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    assert await counted(inner, "/raises", "500") == 1


async def test_an_error_in_the_middle_of_an_answer_counts_as_500() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    assert await counted(inner, "/breaks", "500") == 1


async def test_a_client_that_went_away_counts_as_499() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    assert await counted(inner, "/cancelled", "499") == 1


@pytest.mark.parametrize(
    ("method", "label"), [("PATCH", "PATCH"), ("get", "OTHER"), ("X1", "OTHER")]
)
def test_a_method_that_nobody_knows_is_no_series_of_its_own(method: str, label: str) -> None:
    assert method_label({"method": method}) == label


def test_a_route_is_named_by_its_whole_template() -> None:
    scope = {"fastapi": {"effective_route_context": Route("/api/things/{id}")}}

    assert route_label(scope | {"route": Route("/things/{id}")}) == "/api/things/{id}"
    assert route_label({"route": Route("/things/{id}")}) == "/things/{id}"
    assert route_label({"path": "/things/7"}) == "unmatched"
