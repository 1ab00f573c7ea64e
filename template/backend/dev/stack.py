"""The parts of the development stack, in the order in which they depend on each other."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

import httpx2

from dev.console import Console, DevError
from dev.environment import ROOT, Plan, database_roles, provider_variables
from dev.lock import Lock
from dev.postgres import Postgres, PostgresError
from dev.processes import Child
from dev.redis import Redis, RedisError

BACKEND = ROOT / "backend"


class Stack:
    """Everything that one `make dev` runs."""

    def __init__(
        self, plan: Plan, state: Path, console: Console, lock: Lock, *, gives_up: bool
    ) -> None:
        """Remember where things go; nothing is started.

        Args:
            plan: which parts to start, and where.
            state: where their data are kept.
            console: takes what they print.
            lock: knows their processes.
            gives_up: whether an API that does not answer ends the run, which nobody watches;
                somebody who watches it mends the code, and uvicorn starts it again.
        """
        self._plan = plan
        self._state = state
        self._console = console
        self._lock = lock
        self._gives_up = gives_up
        self._roles = database_roles()
        self._provider_variables = provider_variables(plan, state / "provider")
        self._children: list[Child] = []
        self._stops: list[Callable[[], None]] = []
        self._blocking: set[asyncio.Future[None]] = set()

    async def up(self) -> int:
        """Start every part and wait until all answer; return 0.

        Raises:
            DevError, PostgresError, RedisError: one does not start.
        """
        await _all(
            self._step("PostgreSQL", "postgres", self._postgres),
            self._step("Redis", "redis", self._redis),
            self._step("Identity provider", "provider", self._provider),
            self._look_at_given_provider(),
            self._step("Page", "frontend", self._frontend),
        )
        await _all(self._step("Tables and example tenants", "backend", self._database))
        await _all(self._step("API", "backend", self._backend))
        return 0

    async def until_one_ends(self) -> int:
        """Wait until a part ends by itself, which none should.

        Raises:
            DevError: one did; it says which, with its last lines.
        """
        running = {asyncio.ensure_future(child.ended()): child for child in self._children}
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        first = next(iter(done))
        raise running[first].failure(first.result())

    async def down(self) -> None:
        """Stop every part: what serves people first, what it depends on last."""
        await asyncio.gather(*(child.stop() for child in self._children))
        await asyncio.gather(*self._blocking, return_exceptions=True)
        stops = [asyncio.to_thread(stop) for stop in self._stops]
        await asyncio.gather(*stops, return_exceptions=True)

    async def _step(self, what: str, part: str, start: Callable[[], Awaitable[None]]) -> None:
        if not self._plan.starts(part):
            return
        begun = time.monotonic()
        self._console.say(f"{what} ...")
        await start()
        self._console.say(f"{what} ready after {time.monotonic() - begun:.1f} s")

    async def _postgres(self) -> None:
        server = Postgres(self._state / "postgres", self._plan.ports["postgres"])
        self._stops.append(server.stop)
        await self._blocking_call(server.start)
        await self._blocking_call(lambda: server.create_roles(self._roles))
        self._lock.publish(server.port)

    async def _redis(self) -> None:
        server = Redis(self._state / "redis", self._plan.ports["redis"])
        self._stops.append(server.stop)
        await self._blocking_call(server.start)

    async def _database(self) -> None:
        child = self._child("database")
        command = [sys.executable, "-m", "dev.migrate", "--seed", "upgrade", "heads"]
        await child.start(command, BACKEND, self._plan.variables)
        await child.complete()
        self._children.remove(child)

    async def _provider(self) -> None:
        child = self._child("provider")
        await child.start(["node", "dev-provider.mjs"], ROOT / "keycloak", self._provider_variables)
        await child.until_ready(f"{self._plan.issuer}/.well-known/openid-configuration")

    async def _look_at_given_provider(self) -> None:
        """Say what will keep people from signing in at a provider that is not started here."""
        if self._plan.starts("provider"):
            return
        if trouble := await trouble_with_issuer(self._plan.issuer):
            self._console.say(f"{trouble} Nobody can sign in while that is so.")

    async def _backend(self) -> None:
        child = self._child("backend")
        serve = ["-m", "uvicorn", "--factory", "app.main:create_app"]
        reload = ["--reload", "--reload-dir", "app"]
        # The application logs requests, and decides whose forwarding headers count, by itself.
        ours = ["--no-proxy-headers", "--no-access-log", "--timeout-graceful-shutdown", "2"]
        address = ["--host", "127.0.0.1", "--port", str(self._plan.ports["backend"])]
        await child.start(
            [sys.executable, *serve, *reload, *ours, *address], BACKEND, self._plan.variables
        )
        await child.until_ready(f"{self._plan.api}/health/ready", gives_up=self._gives_up)

    async def _frontend(self) -> None:
        child = self._child("frontend")
        vite = ROOT / "frontend" / "node_modules" / "vite" / "bin" / "vite.js"
        # No banner: it names 127.0.0.1, and the provider lets nobody back there but to localhost.
        options = ["--host", "127.0.0.1", "--clearScreen", "false", "--logLevel", "warn"]
        await child.start(["node", vite, *options], ROOT / "frontend", self._plan.variables)
        await child.until_ready(f"http://localhost:{self._plan.ports['frontend']}/")

    def _child(self, name: str) -> Child:
        child = Child(name, self._console, self._lock)
        self._children.append(child)
        return child

    async def _blocking_call(self, function: Callable[[], None]) -> None:
        # Not cancelled with its step: `down` waits for it, so that nothing starts after the end.
        call = asyncio.ensure_future(asyncio.to_thread(function))
        self._blocking.add(call)
        await asyncio.shield(call)


async def trouble_with_issuer(issuer: str) -> str | None:
    """Return what is wrong with OIDC_ISSUER, or nothing when a provider of that name answers."""
    url = f"{issuer}/.well-known/openid-configuration"
    try:
        async with httpx2.AsyncClient(timeout=5) as client:
            response = await client.get(url)
        named = response.raise_for_status().json()["issuer"]
    except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
        return f"OIDC_ISSUER: {url} is not answered as a provider does ({error or 'no answer'})."
    if named == issuer:
        return None
    return f"OIDC_ISSUER is {issuer}, and the provider there calls itself {named}."


async def _all(*steps: Coroutine[None, None, None]) -> None:
    """Run steps at once; the first failure cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except* (DevError, PostgresError, RedisError) as failures:
        raise failures.exceptions[0] from None
