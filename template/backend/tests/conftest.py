"""What tests stand on: the application, and a database, Redis and identity provider of their own.

Nothing is simulated, and nothing is cleaned up between tests: each makes tenants of its own, which
by the application's own promise see nothing of each other.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import hypothesis
import pytest
from alembic import command
from alembic.config import Config
from fastapi import FastAPI

from app.core import database, health
from app.core.settings import get_settings
from app.identity import provider as identity_provider
from app.identity.settings import get_identity_settings
from app.main import create_app
from app.tenancy.models import Tenant
from tests.identity_provider import LocalProvider
from tests.servers import PATIENCE, Servers, start_servers

BACKEND = Path(__file__).parents[1]
CLIENT_ADDRESS = ("192.0.2.10", 40_000)
"""Where requests seem to come from: an address for documentation (RFC 5737), no trusted proxy."""

# How long an example takes depends on what else the machine does, and no test is about that.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")
if seconds := os.environ.get("FUZZ_SECONDS"):  # `make fuzz`
    examples = 10 * int(seconds)
    hypothesis.settings.register_profile("fuzz", max_examples=examples)
    hypothesis.settings.load_profile("fuzz")

Client = httpx2.AsyncClient
MakeApp = Callable[..., AbstractAsyncContextManager[FastAPI]]
MakeTenant = Callable[..., Awaitable[Tenant]]
TokenFor = Callable[..., str]
Login = Callable[..., Awaitable[Client]]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The test servers, started once, or those that TEST_DATABASE_URL and TEST_REDIS_URL name."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C, which lets fixtures clean up
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    with start_servers() as servers:
        yield servers


@pytest.fixture(scope="session")
def provider() -> Iterator[LocalProvider]:
    """An identity provider that serves its keys over HTTP and signs tokens."""
    with LocalProvider() as provider:
        yield provider


class Clock:
    """The event loop's clock. A test puts it forward instead of waiting."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._usual, self._ahead = loop.time, 0.0
        loop.time = lambda: self._usual() + self._ahead  # type: ignore[method-assign]

    async def forward(self, seconds: float) -> None:
        """Let so much time pass, and what was waiting for it happen."""
        self._ahead += seconds
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture(scope="session")
async def clock() -> Clock:
    """The clock of all tests' loop. It never goes back, or what waits would wait for longer."""
    return Clock(asyncio.get_running_loop())


@pytest.fixture(scope="session", autouse=True)
def _settings(servers: Servers, provider: LocalProvider) -> Iterator[None]:
    """Point every setting at the test servers, and migrate the database."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in servers.environment().items():
            patch.setenv(name, value)
        patch.setenv("OIDC_ISSUER", provider.issuer)
        patch.setenv("RATE_LIMIT_ENABLED", "false")
        # A busy machine must not look like an outage. What is about a limit sets its own.
        for name in ("DB_POOL_TIMEOUT", "REDIS_TIMEOUT_SECONDS"):
            patch.setenv(name, str(PATIENCE))
        patch.setattr(database, "CONNECT_SECONDS", PATIENCE)
        patch.setattr(health, "PATIENCE", PATIENCE)
        patch.setattr(identity_provider, "TIMEOUT_SECONDS", PATIENCE)
        # A folder without certificates: all is plain HTTP here, and to read the machine's
        # authorities takes an application longer than to start.
        patch.setenv("SSL_CERT_DIR", str(BACKEND / "tests"))
        forget_settings()
        command.upgrade(Config(toml_file=BACKEND / "pyproject.toml"), "heads")
        yield
    forget_settings()


def forget_settings() -> None:
    """Have settings read again."""
    get_settings.cache_clear()
    get_identity_settings.cache_clear()


@pytest.fixture
def make_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeApp]:
    """Make an application with other settings: `async with make_app(log_level="DEBUG") as app`."""

    @asynccontextmanager
    async def make(**settings: object) -> AsyncIterator[FastAPI]:
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name.upper(), str(value))
            forget_settings()
            app = create_app()
            async with app.router.lifespan_context(app):
                yield app

    yield make
    forget_settings()


@pytest.fixture(scope="session")
async def app(_settings: None) -> AsyncIterator[FastAPI]:
    """The application, started once."""
    app = create_app()
    async with app.router.lifespan_context(app):
        yield app


@asynccontextmanager
async def client_of(app: FastAPI, token: str | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application, relative to the API's prefix; errors arrive as answers."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False, client=CLIENT_ADDRESS)
    base = f"http://localhost{app.state.settings.api_prefix}"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(transport=transport, base_url=base, headers=headers) as client:
        yield client


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that is not logged in."""
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def make_tenant(app: FastAPI) -> MakeTenant:
    """Make a tenant: `await make_tenant(name="Acme")`."""

    async def make(**values: Any) -> Tenant:
        async with app.state.database.transaction() as session:
            tenant = Tenant(**{"slug": f"t-{uuid4().hex}", "name": "Acme", **values})
            session.add(tenant)
        return tenant

    return make


@pytest.fixture
async def tenant(make_tenant: MakeTenant) -> Tenant:
    """A tenant of the test's own."""
    return await make_tenant()


@pytest.fixture
def token_for(provider: LocalProvider) -> TokenFor:
    """Issue an access token: `token_for(tenant, "alice", roles=["tenant-admin"])`."""

    def issue(tenant: Tenant | UUID | None, subject: str = "alice", **claims: Any) -> str:
        tenant_id = tenant.id if isinstance(tenant, Tenant) else tenant
        return provider.token(tenant_id=tenant_id, subject=subject, **claims)

    return issue


@pytest.fixture
async def login(app: FastAPI, token_for: TokenFor) -> AsyncIterator[Login]:
    """Make a client that is logged in: `await login(tenant, "alice")`, claims as in `token_for`."""
    async with AsyncExitStack() as clients:

        async def log_in(
            tenant: Tenant | UUID | None, subject: str = "alice", **claims: Any
        ) -> Client:
            token = token_for(tenant, subject, **claims)
            return await clients.enter_async_context(client_of(app, token))

        yield log_in
