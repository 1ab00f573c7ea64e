"""Tenants that do whatever they like at once, over fewer connections than they are.

Requests are broken off, time out, fail in the middle of a transaction, and lose their connection to
the database. No answer may hold anything of another tenant's, and no connection may keep a tenant.

FUZZ_SECONDS says how long; `make fuzz` sets it.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import httpx2
import pytest
import uvicorn
from fastapi import APIRouter, FastAPI
from sqlalchemy import func, select, text

from app.core.database import Database
from app.core.errors import NotFoundError
from app.identity.models import OAuthProvider
from app.tenancy.dependencies import TenantSession
from dev.ports import any_free_port
from tests.conftest import Client, MakeApp, MakeTenant, TokenFor, client_of
from tests.servers import PATIENCE, Servers, until

SECONDS = float(os.environ.get("FUZZ_SECONDS", "5"))
TENANTS = 3
CLIENTS = 4
"""Of each tenant; half of them speak to a server, and half call the application."""

CONNECTIONS = 3
SETTING = select(func.current_setting("app.current_tenant_id", True))
KEEP_THE_TENANT = text(
    "SELECT set_config('app.current_tenant_id', app_current_tenant()::text, false)"
)
SETTINGS = {
    "db_pool_size": CONNECTIONS - 1,
    "db_max_overflow": 1,
    "db_pool_timeout": 0.5,
    "db_statement_timeout_ms": 300,
    "log_level": "CRITICAL",
}
SEEN = {200, 201, 204, 404, 500, 503}
"""Every kind of answer; a run goes on until there has been each, however busy the machine is."""

NOT_FOUND = {404, 503}
FAULTS = {500, 503}
"""What a request is answered with that fails on purpose, or may."""


def things(*, leak: str | None = None) -> APIRouter:
    """Return routes that do with a tenant's rows what modules do, and some that fail while at it.

    Args:
        leak: a mistake for the test to find: `setting` makes a connection keep its tenant, `cache`
            keeps what a tenant has read for all.
    """
    router = APIRouter(prefix="/things")
    cache: dict[UUID, str] = {}

    async def find(session: TenantSession, thing_id: UUID) -> OAuthProvider:
        thing = await session.get(OAuthProvider, thing_id)
        if thing is None:
            raise NotFoundError(f"There is no thing {thing_id}.")
        return thing

    async def add(session: TenantSession, name: str) -> OAuthProvider:
        tenant = await session.scalar(select(func.app_current_tenant()))
        thing = OAuthProvider(tenant_id=tenant, alias=uuid4().hex, display_name=name)
        session.add(thing)
        await session.flush()
        return thing

    @router.post("", status_code=201)
    async def create(session: TenantSession, name: str) -> UUID:
        if leak == "setting":
            await session.execute(KEEP_THE_TENANT)
        return (await add(session, name)).id

    @router.get("")
    async def list_all(session: TenantSession) -> list[str]:
        return list(await session.scalars(select(OAuthProvider.display_name)))

    @router.get("/{thing_id}")
    async def read(session: TenantSession, thing_id: UUID) -> str:
        if leak == "cache":
            if thing_id not in cache:
                cache[thing_id] = (await find(session, thing_id)).display_name
            return cache[thing_id]
        return (await find(session, thing_id)).display_name

    @router.patch("/{thing_id}")
    async def update(session: TenantSession, thing_id: UUID, name: str) -> str:
        thing = await find(session, thing_id)
        await asyncio.sleep(0.001)
        thing.display_name = name
        return name

    @router.delete("/{thing_id}", status_code=204)
    async def delete(session: TenantSession, thing_id: UUID) -> None:
        await session.delete(await find(session, thing_id))

    @router.post("/then-fail")
    async def fail(session: TenantSession, name: str) -> None:
        await add(session, name)
        raise RuntimeError("on purpose, with a row not yet committed")

    @router.post("/then-break")
    async def fail_in_sql(session: TenantSession, name: str) -> None:
        await add(session, name)
        await session.execute(text("SELECT 1 / 0"))

    @router.post("/then-sleep")
    async def sleep(session: TenantSession, name: str) -> None:
        await add(session, name)
        await session.execute(text("SELECT pg_sleep(1)"))

    return router


@dataclass
class Actor:
    """A tenant: `mark` is in every text of its own, and in none of anybody else's."""

    id: UUID
    mark: str
    clients: list[Client] = field(default_factory=list)
    things: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    def name(self) -> str:
        return f"{self.mark} {uuid4().hex}"


@dataclass
class World:
    """Everybody, and what was seen."""

    app: FastAPI
    actors: list[Actor]
    seconds: float
    dice: random.Random = field(default_factory=random.Random)
    statuses: Counter[int] = field(default_factory=Counter)
    aborted: int = 0
    ended: int = 0
    """Connections that the database was told to end."""
    samples: int = 0
    leaks: list[str] = field(default_factory=list)

    @property
    def has_seen_all(self) -> bool:
        """Whether everything has happened that makes a run worth something."""
        return set(self.statuses) >= SEEN and bool(self.aborted and self.samples)

    @property
    def database(self) -> Database:
        database: Database = self.app.state.database
        return database

    async def run(self, *others: Callable[[], Awaitable[None]]) -> None:
        """Let every client act, and the others too, until the time is over or a leak is found."""
        tasks = [
            asyncio.create_task(self.repeat(lambda who=actor, by=client: self.act(who, by)))
            for actor in self.actors
            for client in actor.clients
        ]
        tasks += [asyncio.create_task(self.repeat(other)) for other in (self.sample, *others)]
        await asyncio.gather(*tasks)

    async def repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not self.leaks and loop.time() < begun + self.seconds + PATIENCE:
            if loop.time() > begun + self.seconds and self.has_seen_all:
                break
            await step()

    async def act(self, actor: Actor, client: Client) -> None:
        """Send one request, or break one off, and look at the answer."""
        method, path, query, expected = self.request_of(actor)
        call = asyncio.create_task(client.request(method, path, params=query))
        if self.dice.random() < 0.2:
            await asyncio.sleep(self.dice.choice([0, 0.001, 0.005, 0.02]))
            call.cancel()
        try:
            answer = await call
        except asyncio.CancelledError:
            self.aborted += 1
            return
        self.statuses[answer.status_code] += 1
        said = f"{method} {path} as {actor.mark}: {answer.status_code} {answer.text}"
        if any(other.mark in answer.text for other in self.actors if other is not actor):
            self.leaks.append(said)
        assert answer.status_code in expected or said in self.leaks, said
        if answer.status_code == 201:
            actor.things = [*actor.things[-20:], answer.json()]
        if path == "/auth/me" and answer.status_code == 200:
            actor.users = [answer.json()["id"]]

    def request_of(self, actor: Actor) -> tuple[str, str, dict[str, str], set[int]]:
        """Draw a request: method, path, query, and what it may be answered with."""
        other = self.dice.choice([each for each in self.actors if each is not actor])
        own_id, other_id, other_user = (
            self.dice.choice(ids or [str(uuid4())])
            for ids in (actor.things, other.things, other.users)
        )
        name = {"name": actor.name()}
        requests: list[tuple[str, str, dict[str, str], set[int]]] = [
            ("POST", "/things", name, {201, 503}),
            ("GET", "/things", {}, {200, 503}),
            ("GET", f"/things/{own_id}", {}, {200, *NOT_FOUND}),
            ("PATCH", f"/things/{own_id}", name, {200, 404, *FAULTS}),
            ("DELETE", f"/things/{own_id}", {}, {204, 404, *FAULTS}),
            ("GET", f"/things/{other_id}", {}, NOT_FOUND),
            ("PATCH", f"/things/{other_id}", name, NOT_FOUND),
            ("DELETE", f"/things/{other_id}", {}, NOT_FOUND),
            ("POST", "/things/then-fail", name, FAULTS),
            ("POST", "/things/then-break", name, FAULTS),
            ("GET", "/auth/me", {}, {200, 503}),
            ("GET", "/tenant", {}, {200, 503}),
            ("GET", "/users", {}, {200, 503}),
            ("GET", f"/users/{other_user}", {}, NOT_FOUND),
        ]
        if self.dice.random() < 0.01:  # seldom, because it takes a connection for long
            return ("POST", "/things/then-sleep", name, FAULTS)
        return self.dice.choice(requests)

    async def sample(self) -> None:
        """Look with no tenant, as whatever got a connection that kept one would."""
        await asyncio.sleep(0.01)
        with suppress(Exception):  # the pool is busy, or the connection was ended
            async with self.database.transaction() as session:
                tenant = await session.scalar(SETTING)
                rows = await session.scalar(select(func.count()).select_from(OAuthProvider))
            self.samples += 1
            if tenant or rows:
                self.leaks.append(f"a connection kept the tenant {tenant} and shows {rows} rows")

    async def settle(self) -> list[str | None]:
        """Return the tenant that each connection of the pool has, once nothing runs any more."""
        self.database.pool._timeout = PATIENCE
        async with AsyncExitStack() as held:
            connections = [
                await held.enter_async_context(self.database.engine.connect())
                for _ in range(CONNECTIONS)
            ]
            return [await connection.scalar(SETTING) for connection in connections]

    def __str__(self) -> str:
        answers = ", ".join(
            f"{count} x {status}" for status, count in sorted(self.statuses.items())
        )
        return (
            f"{sum(self.statuses.values())} answers in {self.seconds:g} s ({answers}), "
            f"{self.aborted} requests broken off, {self.ended} connections ended, "
            f"{self.samples} looks without a tenant, {len(self.leaks)} leaks"
        )


@pytest.fixture
async def meet(
    make_app: MakeApp, make_tenant: MakeTenant, token_for: TokenFor
) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    """Bring tenants together: `await meet(2.0, leak="cache")`."""
    async with AsyncExitStack() as stack:

        async def bring(seconds: float, leak: str | None = None) -> World:
            app = await stack.enter_async_context(make_app(**SETTINGS))
            app.include_router(things(leak=leak), prefix=app.state.settings.api_prefix)
            address = await stack.enter_async_context(serve(app))
            world = World(app, [], seconds)
            for _ in range(TENANTS):
                mark = f"mark{uuid4().hex}"
                tenant = await make_tenant(slug=mark, name=mark)
                actor = Actor(tenant.id, mark)
                token = token_for(
                    tenant, mark, roles=["tenant-admin"], exp=4_000_000_000, email=f"{mark}@x.test"
                )
                headers = {"Authorization": f"Bearer {token}"}
                for index in range(CLIENTS):
                    client = (
                        httpx2.AsyncClient(base_url=address, headers=headers, timeout=PATIENCE)
                        if index % 2
                        else client_of(app, token)
                    )
                    actor.clients.append(await stack.enter_async_context(client))
                await until(lambda who=actor: is_known(who))
                world.actors.append(actor)
            return world

        yield bring


async def is_known(actor: Actor) -> bool:
    """Tell whether the application knows somebody of the tenant; limits are short here."""
    return (await actor.clients[0].get("/auth/me")).status_code == 200


@asynccontextmanager
async def serve(app: FastAPI) -> AsyncIterator[str]:
    """Serve an application that has started already; the block gets the address of its API."""
    port = any_free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event to wait for
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}{app.state.settings.api_prefix}"
    server.should_exit = True
    await serving


async def test_tenants_stay_apart_whatever_they_do(
    meet: Callable[..., Awaitable[World]], servers: Servers
) -> None:
    world = await meet(SECONDS)

    async def end_a_connection() -> None:
        await asyncio.sleep(world.seconds / 20)
        ended = await asyncio.to_thread(
            servers.execute,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # noqa: S608
            f"WHERE usename = '{servers.roles.app}' AND query LIKE '%oauth_providers%' LIMIT 1",
        )
        world.ended += ended == "t"

    await world.run(end_a_connection)

    print(world)  # noqa: T201 - `make fuzz` shows it
    assert world.leaks == []
    assert {tenant or None for tenant in await world.settle()} == {None}
    assert world.has_seen_all, world
    for actor in world.actors:
        elsewhere = (
            "SELECT count(*) FROM oauth_providers "  # noqa: S608
            f"WHERE starts_with(display_name, '{actor.mark}') <> (tenant_id = '{actor.id}')"
        )
        assert servers.execute(elsewhere) == "0"


@pytest.mark.parametrize("leak", ["setting", "cache"])
async def test_a_leak_is_found(leak: str, meet: Callable[..., Awaitable[World]]) -> None:
    world = await meet(PATIENCE, leak)

    await world.run()

    assert world.leaks
