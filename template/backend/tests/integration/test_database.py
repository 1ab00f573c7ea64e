import asyncio

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.database import Database
from app.project import API_PREFIX
from app.tenancy.dependencies import PlatformSession
from app.tenancy.models import Tenant
from dev.ports import any_free_port
from tests.conftest import Login, MakeApp, client_of
from tests.servers import Servers


def end_connections(servers: Servers) -> None:
    """End every connection of the application, as a restart of the database does."""
    servers.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # noqa: S608 - our own name
        f"WHERE usename = '{servers.roles.app}'"
    )


async def test_a_restart_of_the_database_is_not_noticed_by_the_next_request(
    login: Login, tenant: Tenant, servers: Servers
) -> None:
    client = await login(tenant)
    statuses = [(await client.get("/todos")).status_code]

    end_connections(servers)
    statuses.append((await client.get("/todos")).status_code)

    assert statuses == [200, 200]


async def test_a_request_that_loses_its_connection_is_told_to_come_back(
    make_app: MakeApp, servers: Servers
) -> None:
    async with make_app() as app:

        @app.get(f"{API_PREFIX}/slow")
        async def slow(session: PlatformSession) -> None:
            await session.execute(text("SELECT pg_sleep(20)"))

        async with client_of(app) as client:
            request = asyncio.create_task(client.get("/slow"))
            await asyncio.sleep(0.3)
            await asyncio.to_thread(end_connections, servers)
            response = await request

    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"


async def test_a_query_that_takes_too_long_is_ended(make_app: MakeApp) -> None:
    async with (
        make_app(db_statement_timeout_ms=50) as app,
        app.state.database.session() as session,
    ):
        with pytest.raises(DBAPIError, match="statement timeout"):
            await session.execute(text("SELECT pg_sleep(5)"))


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
