"""The metrics of the whole application."""

import asyncio
import random
import string
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx2
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tests.observability_server import Samples, parse, sample

MakeApp = Callable[..., AbstractAsyncContextManager[FastAPI]]


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def scrape(client: httpx2.AsyncClient) -> Samples:
    return parse((await client.get("/metrics")).raise_for_status().text)


def series(samples: Samples) -> int:
    return sum(name.startswith("http_") for name, _ in samples)


async def test_addresses_that_anybody_can_invent_add_no_series(app: FastAPI) -> None:
    invented = random.Random(7)  # noqa: S311 - the same addresses in every run
    prefix = app.state.settings.api_prefix

    def path() -> str:
        return "".join(invented.choices(string.ascii_letters + string.digits + "/%20", k=20))

    async with client_of(app) as client:
        for method in ("GET", "POST", "BREW"):
            await client.request(method, "/first")
            await client.request(method, f"{prefix}/todos/first")
        before = await scrape(client)
        for number in range(300):
            method = ("GET", "POST", f"BREW{number}")[number % 3]
            await client.request(method, f"/{path()}" if number % 2 else f"{prefix}/{path()}")
            await client.request(method, f"{prefix}/todos/{number}")
        after = await scrape(client)

    assert series(after) == series(before)
    assert (sample(after, "http_requests_total") or 0) - (
        sample(before, "http_requests_total") or 0
    ) == 600
    assert sample(after, "http_requests_total", route=f"{prefix}/todos/{{todo_id}}")


async def test_an_unhandled_error_is_counted(make_app: MakeApp) -> None:
    async with make_app() as app, client_of(app) as client:

        @app.get("/crash/{name}")
        async def crash(name: str) -> None:
            raise RuntimeError("a programming error")

        answer = await client.get("/crash/one")
        samples = await scrape(client)

    assert answer.status_code == 500
    assert sample(samples, "http_requests_total", route="/crash/{name}", status="500") == 1


async def test_the_pool_shows_who_uses_waits_for_and_misses_a_connection(make_app: MakeApp) -> None:
    async def work(seconds: float) -> None:
        async with app.state.database.transaction() as session:
            await session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})

    settings = {"db_pool_size": 1, "db_max_overflow": 1, "db_pool_timeout": 0.5}
    async with make_app(**settings) as app, client_of(app) as client:
        idle = await scrape(client)
        tasks = [asyncio.create_task(work(1)) for _ in range(4)]
        await asyncio.sleep(0.3)
        busy = await scrape(client)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.3)
        after = await scrape(client)

    timeouts = [outcome for outcome in outcomes if isinstance(outcome, PoolTimeoutError)]
    assert len(timeouts) == 2
    assert pool(idle) == {"size": 1, "capacity": 2, "checked_out": 0, "overflow": 0, "waiting": 0}
    assert pool(busy) == {"size": 1, "capacity": 2, "checked_out": 2, "overflow": 1, "waiting": 2}
    assert pool(after) == pool(idle)
    assert (sample(after, "db_pool_timeouts_total") or 0) - (
        sample(idle, "db_pool_timeouts_total") or 0
    ) == 2


def pool(samples: Samples) -> dict[str, float | None]:
    names = ("size", "capacity", "checked_out", "overflow", "waiting")
    return {name: sample(samples, f"db_pool_{name}") for name in names}


async def test_redis_that_is_away_shows(make_app: MakeApp) -> None:
    async with make_app() as app, client_of(app) as client:
        there = await scrape(client)
    async with make_app(redis_url="redis://127.0.0.1:1/0") as app, client_of(app) as client:
        away = await scrape(client)

    assert sample(there, "app_redis_up") == 1
    assert sample(away, "app_redis_up") == 0
