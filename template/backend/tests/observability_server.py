"""A real server with several workers, for the tests of observability, and what it is asked."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import structlog
from fastapi import FastAPI, Request
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from app.main import create_app as create_real_app
from dev.ports import any_free_port

BACKEND = Path(__file__).parents[1]
PATIENCE = 60.0
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
    """Run a server in processes of its own until the block ends; returns its address."""
    port = any_free_port()
    command = ["-m", "uvicorn", "--factory", "tests.observability_server:create_app"]
    options = ["--port", str(port), "--workers", str(workers)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command, *options],
            cwd=BACKEND,
            env=os.environ | {"LOG_FORMAT": "json"} | variables,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: sample(scrape(address), "db_pool_size") == 10 * workers, log)
        yield address
    finally:
        process.terminate()
        process.wait(PATIENCE)


def wait_for(condition: Callable[[], bool], log: Path | None = None) -> None:
    """Wait until something is so; an address that refuses connections is not so yet."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if condition():
                return
        except httpx2.TransportError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(log.read_text() if log else "not so in time")
        time.sleep(0.1)


def scrape(address: str) -> Samples:
    """Every sample of a server's metrics."""
    return parse(httpx2.get(f"{address}/metrics").raise_for_status().text)


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
