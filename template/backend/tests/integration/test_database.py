"""Connections: lost, slow, cancelled, shared by two tenants. The next request finds a clean one."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.exc import DBAPIError

from app.core import database as database_module
from app.core.database import Database
from app.core.settings import Settings, get_settings
from app.identity.models import OAuthProvider
from app.project import API_PREFIX
from app.tenancy.dependencies import PlatformSession, TenantSession
from app.tenancy.models import Tenant
from dev.ports import any_free_port
from tests.conftest import MakeApp, MakeTenant, TokenFor, client_of
from tests.servers import Servers, until


def end_connections(servers: Servers, where: str) -> bool:
    """End connections of the application, as a restart of the database does; tell if there are."""
    ended = servers.execute(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "  # noqa: S608 - our own
        f"WHERE usename = '{servers.roles.app}' AND {where}"
    )
    return "t" in ended


async def test_a_restart_of_the_database_is_not_noticed_by_the_next_request(
    make_app: MakeApp, token_for: TokenFor, tenant: Tenant, servers: Servers
) -> None:
    async with make_app(db_pool_size=1) as app, client_of(app, token_for(tenant)) as client:
        statuses = [(await client.get("/tenant")).status_code]
        async with app.state.database.engine.connect() as connection:
            pid = await connection.scalar(text("SELECT pg_backend_pid()"))
            driver: Any = (await connection.get_raw_connection()).driver_connection

        assert end_connections(servers, f"pid = {pid}")
        await until(driver.is_closed)  # this test has held up the event loop
        statuses.append((await client.get("/tenant")).status_code)

    assert statuses == [200, 200]


@pytest.mark.parametrize("trusted", [0.0, 3600.0])
async def test_a_connection_that_was_idle_is_asked_whether_it_works(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, trusted: float
) -> None:
    def gone(_: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(database_module, "TRUSTED_SECONDS", trusted)
    monkeypatch.setattr(AsyncAdapt_asyncpg_connection, "ping", gone)
    async with make_app(db_pool_size=1) as app:
        backends = []
        for _ in range(2):
            async with app.state.database.transaction() as session:
                backends.append(await session.scalar(text("SELECT pg_backend_pid()")))

    assert (backends[0] == backends[1]) is bool(trusted)


async def test_a_request_that_loses_its_connection_is_told_to_come_back(
    make_app: MakeApp, servers: Servers
) -> None:
    async with make_app() as app:

        @app.get(f"{API_PREFIX}/slow")
        async def slow(session: PlatformSession) -> None:
            await session.execute(text("SELECT pg_sleep(600)"))

        async with client_of(app) as client:
            request = asyncio.create_task(client.get("/slow"))
            slow_one = "state = 'active' AND query = 'SELECT pg_sleep(600)'"
            await until(lambda: asyncio.to_thread(end_connections, servers, slow_one))
            response = await request

    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"


async def test_a_query_that_takes_too_long_is_ended(make_app: MakeApp) -> None:
    async with (
        make_app(db_statement_timeout_ms=50) as app,
        app.state.database.session() as session,
    ):
        with pytest.raises(DBAPIError, match="statement timeout"):
            await session.execute(text("SELECT pg_sleep(600)"))


@pytest.mark.parametrize(
    "settings",
    [{"postgres_port": any_free_port()}, {"postgres_host": "no-such-host.invalid"}],
)
async def test_a_database_that_cannot_be_reached(
    make_app: MakeApp, settings: dict[str, str]
) -> None:
    async with make_app(**settings) as app:

        @app.get(f"{API_PREFIX}/anything")
        async def anything(session: PlatformSession) -> None:
            await session.execute(text("SELECT 1"))

        async with client_of(app) as client:
            response = await client.get("/anything")

    assert response.status_code == 503
    assert response.json()["type"] == "/problems/unavailable"


async def test_an_error_rolls_back(app: FastAPI) -> None:
    database: Database = app.state.database

    async def fail() -> None:
        async with database.transaction() as session:
            session.add(Tenant(slug="rolled-back", name="x"))
            await session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        await fail()

    async with database.transaction() as session:
        query = text("SELECT count(*) FROM tenants WHERE slug = 'rolled-back'")
        assert await session.scalar(query) == 0


async def test_who_waits_for_a_connection_gets_one_in_turn(make_app: MakeApp) -> None:
    """SQLAlchemy's own pool prefers who has just come: under load others wait in vain."""
    served: list[int] = []
    async with make_app(db_pool_size=1, db_max_overflow=0) as app:

        async def ask(number: int) -> None:
            for _ in range(3):
                async with app.state.database.transaction() as session:
                    await session.execute(text("SELECT 1"))
                served.append(number)

        await asyncio.gather(*(ask(number) for number in range(20)))

    assert served == [*range(20)] * 3


POOL = 2


@dataclass(frozen=True)
class Step:
    """A request: its tenant, what it does, and when and how it ends."""

    tenant: int
    writes: bool
    pause: int
    end: str
    cancel_after: int


STEPS = st.builds(
    Step,
    tenant=st.integers(0, 1),
    writes=st.booleans(),
    pause=st.integers(0, 4),
    end=st.sampled_from(["commit", "raise", "fail", "commit-midway", "cancel"]),
    cancel_after=st.integers(0, 12),
)


async def perform(database: Database, tenant: UUID, step: Step) -> None:
    """Do what one request does, and hold every row that it sees against its tenant."""
    async with database.session(tenant) as session, session.begin():
        if step.writes:
            row = OAuthProvider(tenant_id=tenant, alias=uuid4().hex, display_name="x")
            session.add(row)
            await session.flush()
        for _ in range(step.pause):
            await asyncio.sleep(0)
        if step.end == "cancel":
            await session.execute(text("SELECT pg_sleep(0.002)"))
        if step.end == "commit-midway":
            await session.commit()
            await session.begin()
        seen = set(await session.scalars(text("SELECT tenant_id FROM oauth_providers")))
        assert seen <= {tenant}, "another tenant's rows were seen"
        if step.end == "raise":
            raise LookupError
        if step.end == "fail":
            await session.execute(text("SELECT 1 / 0"))


async def run(database: Database, tenant: UUID, step: Step) -> None:
    """Perform a step, cancelled at some point if that is how it ends."""
    task = asyncio.create_task(perform(database, tenant, step))
    if step.end == "cancel":
        for _ in range(step.cancel_after):
            await asyncio.sleep(0.0003)
        task.cancel()
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(outcome, AssertionError):
        raise outcome


async def leftovers(database: Database) -> list[Any]:
    """Return what each connection of the pool still holds of a tenant."""
    found: list[Any] = []
    connections = [await database.engine.connect() for _ in range(POOL)]
    for connection in connections:
        tenant = await connection.scalar(text("SELECT app_current_tenant()"))
        rows = await connection.scalar(text("SELECT count(*) FROM oauth_providers"))
        found += [thing for thing in (tenant, rows) if thing]
        await connection.close()
    return found


async def check(steps: list[Step]) -> None:
    database = Database(
        Settings.model_validate({**get_settings().model_dump(), "db_pool_size": POOL} | LIMITS)
    )
    try:
        async with database.transaction() as session:
            tenants = [Tenant(slug=f"t-{uuid4().hex}", name="x") for _ in range(2)]
            session.add_all(tenants)
        await asyncio.gather(*(run(database, tenants[step.tenant].id, step) for step in steps))
        assert await leftovers(database) == []
    finally:
        await database.close()


LIMITS = {"db_max_overflow": 0}


@given(st.lists(STEPS, min_size=1, max_size=12))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_interleaving_of_two_tenants_leaks(steps: list[Step]) -> None:
    asyncio.run(check(steps))


@pytest.fixture
async def slow(make_app: MakeApp) -> AsyncIterator[FastAPI]:
    """An application with one connection, and a route that holds it."""
    async with make_app(db_pool_size=1, db_max_overflow=0) as app:

        @app.get(f"{API_PREFIX}/slow")
        async def hold(session: TenantSession) -> None:
            await session.execute(text("SELECT pg_sleep(600)"))

        yield app


@pytest.mark.parametrize("after", [0.01, 0.1, 0.3])
async def test_a_cancelled_request_leaves_no_tenant_and_no_lost_connection(
    slow: FastAPI, make_tenant: MakeTenant, token_for: TokenFor, after: float
) -> None:
    first, second = await make_tenant(), await make_tenant()
    async with client_of(slow, token_for(first)) as client:
        request = asyncio.create_task(client.get("/slow"))
        await asyncio.sleep(after)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)

    async with slow.state.database.engine.connect() as connection:
        assert await connection.scalar(text("SELECT app_current_tenant()")) is None
    async with client_of(slow, token_for(second)) as client:
        assert (await client.get("/tenant")).json()["id"] == str(second.id)
