"""A real server with several workers, for the tests of observability, and what it is asked."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import structlog
from fastapi import FastAPI, Request
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from app.main import create_app as create_real_app
from tests import servers
from tests.servers import get, wait_for

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def create_app() -> FastAPI:
    """The application, with routes that fail, are slow, and use everything that is traced."""
    app = create_real_app()

    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError("a programming error")

    @app.get("/slow/{seconds}")
    async def slow(seconds: float) -> int:
        await asyncio.sleep(seconds)
        return os.getpid()

    @app.get("/work/{name}")
    async def work(request: Request, name: str, ask: str) -> None:
        async with request.app.state.database.transaction() as session:
            await session.execute(text("SELECT :name"), {"name": name})
        await request.app.state.redis.ping()
        async with httpx2.AsyncClient() as client:
            await client.get(ask)
        structlog.get_logger("test").info("worked")

    return app


@contextmanager
def serve(log: Path, *, workers: int = 1, **variables: str) -> Iterator[str]:
    """Run a server with so many workers until the block ends; returns its address."""
    command = ("uvicorn", "--factory", "tests.observability_server:create_app")
    with servers.serve(log, *command, "--workers", str(workers), **variables) as server:
        wait_for(lambda: sample(scrape(server.url), "db_pool_size") == 10 * workers, log)
        yield server.url


def scrape(address: str) -> Samples:
    """Every sample of a server's metrics."""
    return parse(get(f"{address}/metrics").raise_for_status().text)


def parse(exposition: str) -> Samples:
    """Every sample of a text in Prometheus's format."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }


def sample(samples: Samples, name: str, **labels: str) -> float | None:
    """One sample, or None; labels that are not given are free, and their samples are added up."""
    found = [
        value
        for (other, pairs), value in samples.items()
        if other == name and labels.items() <= dict(pairs).items()
    ]
    return sum(found) if found else None
