"""Who may read the metrics."""

import httpx2
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from starlette.types import Receive, Scope, Send

from app.features.observability.endpoint import MetricsEndpoint
from app.features.observability.settings import ObservabilitySettings

TOKEN = {"metrics_token": "a long secret"}


class NoRedis:
    async def ping(self) -> None:
        raise RedisConnectionError


class State:
    redis = NoRedis()


class App:
    state = State()


async def status(
    client: str | None, headers: dict[str, str] | None = None, method: str = "GET", **settings: str
) -> int:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body"})

    endpoint = MetricsEndpoint(inner, ObservabilitySettings(**settings))

    async def with_app(scope: Scope, receive: Receive, send: Send) -> None:
        await endpoint(scope | {"app": App(), "client": client and (client, 1)}, receive, send)

    transport = httpx2.ASGITransport(with_app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as sender:
        return (await sender.request(method, "/metrics", headers=headers)).status_code


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "172.18.0.5", "::ffff:10.1.2.3", None])
async def test_private_addresses_and_local_sockets_are_served(client: str | None) -> None:
    assert await status(client) == 200


@pytest.mark.parametrize(
    "client", ["203.0.113.9", "2001:db8::1", "::ffff:203.0.113.9", "testclient"]
)
async def test_others_are_not(client: str) -> None:
    assert await status(client) == 403


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
async def test_what_came_through_a_proxy_is_refused_although_the_proxy_is_near(header: str) -> None:
    assert await status("10.0.0.1", {header: "10.0.0.2"}) == 403


async def test_the_networks_are_a_setting() -> None:
    assert await status("203.0.113.9", metrics_allowed_networks="203.0.113.0/24") == 200
    assert await status("127.0.0.1", metrics_allowed_networks="203.0.113.0/24") == 403


async def test_a_token_replaces_the_address() -> None:
    right = {"Authorization": "Bearer a long secret", "X-Forwarded-For": "203.0.113.9"}

    assert await status("203.0.113.9", right, **TOKEN) == 200
    assert await status("127.0.0.1", {"Authorization": "Bearer wrong"}, **TOKEN) == 401
    assert await status("127.0.0.1", {"Authorization": "Bearer "}, **TOKEN) == 401
    assert await status("127.0.0.1", **TOKEN) == 401


async def test_only_reading_is_answered_here() -> None:
    assert await status("127.0.0.1", method="HEAD") == 200
    assert await status("127.0.0.1", method="POST") == 418
