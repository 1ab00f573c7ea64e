"""The database: an engine, sessions, and the tenant that a transaction works for."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, cast
from uuid import UUID

import asyncpg
import structlog
from fastapi import Depends
from sqlalchemy import Connection, Dialect, Function, MetaData, event, func, select, text
from sqlalchemy.dialects.postgresql.asyncpg import (
    AsyncAdapt_asyncpg_connection,
    AsyncAdapt_asyncpg_dbapi,
)
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Session, SessionTransaction
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import await_
from starlette.requests import HTTPConnection

from app import project
from app.core.errors import DatabaseUnavailableError
from app.core.redis import Outage
from app.core.settings import Settings

logger = structlog.get_logger(__name__)

IDLE_IN_TRANSACTION_MS: Final = 60_000
"""After that long without a statement a transaction is forgotten rather than slow, and is ended."""

TRUSTED_SECONDS: Final = 5.0
"""How long a connection is used without a question whether it still works. That question (what
SQLAlchemy calls a "pre-ping") is three round trips, which would be half of what most requests ask
of the database. An end that PostgreSQL itself makes is known without it."""

CONNECT_SECONDS: Final = 5.0
"""For which a connection may take to be opened."""

SILENCE_SECONDS: Final = 5.0
"""For which an answer may be late, after PostgreSQL itself should have ended the statement."""

POSTGRESQL: Final = Outage("postgresql", "whoever needs data is told to come back")
"""This process's view of PostgreSQL: an outage is logged once, not with each request."""

TENANT: Final = "tenant_id"
"""Key under which a session's `info` holds the tenant that its transactions work for."""


class Base(DeclarativeBase):
    """Base of every model. Constraints get predictable names, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class ConnectionPool(AsyncAdaptedQueuePool):
    """Gives connections to those who wait in the order in which they came.

    SQLAlchemy's own gives a connection that comes back to whoever asks at that moment: under load
    the newest are served, and some of those who wait do so in vain.

    Once somebody has waited in vain, and until a connection comes back, nobody waits any more: who
    asks is refused at once. So a queue that does not move costs a client no time.
    """

    def __init__(
        self,
        creator: Any,  # noqa: ANN401 - SQLAlchemy's own, handed on
        pool_size: int,
        max_overflow: int,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(creator, pool_size=pool_size, max_overflow=max_overflow, **options)
        self._turns = asyncio.Semaphore(pool_size + max_overflow)
        self._stuck_since: float | None = None

    @property
    def is_busy(self) -> bool:
        """Whether every connection is in use, so that who asks has to wait."""
        return self._turns.locked()

    @property
    def stuck_seconds(self) -> float:
        """For how long no connection has come back, since somebody waited for one in vain."""
        if self._stuck_since is None or not self._turns.locked():
            return 0.0
        return time.monotonic() - self._stuck_since

    def _do_get(self) -> ConnectionPoolEntry:
        await_(self._take_turn())
        try:
            return super()._do_get()
        except BaseException:
            self._turns.release()
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        self._turns.release()

    async def _take_turn(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()  # at once
        elif self._stuck_since is not None:
            raise PoolTimeoutError("No connection has come back for long.")
        else:
            try:
                async with asyncio.timeout(self.timeout()):
                    await self._turns.acquire()
            except TimeoutError:
                self._note_refusal()
                raise PoolTimeoutError("No connection came back in time.") from None
        if self._stuck_since is not None:
            seconds = round(time.monotonic() - self._stuck_since, 1)
            logger.warning("database connections come back", seconds=seconds)
            self._stuck_since = None

    def _note_refusal(self) -> None:
        if self._stuck_since is None:
            self._stuck_since = time.monotonic()
            logger.error("every database connection is in use", connections=self.checkedout())


class Database:
    """A pool of connections as the application's role, which row-level security binds."""

    def __init__(self, settings: Settings) -> None:
        self.engine = create_engine(settings, settings.db_pool_size, settings.db_max_overflow)
        # Its own connection: a busy pool is no reason to be sent no more requests.
        self._probe = create_engine(settings, 1, 0)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    def session(self, tenant_id: UUID | None = None) -> AsyncSession:
        """Return a session whose every transaction works for a tenant; the caller commits."""
        return self._sessions(info={TENANT: tenant_id})

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID | None = None) -> AsyncIterator[AsyncSession]:
        """Run a block in one transaction: committed when it ends, rolled back when it raises.

        Args:
            tenant_id: the tenant whose rows it may see and write; none means no tenant's rows.
        """
        session = self.session(tenant_id)
        try:
            yield session
            await session.commit()
        except BaseException:
            async with session:  # rolls back to the end, however often the request is cancelled
                raise

    @property
    def pool(self) -> ConnectionPool:
        """The connections that requests share."""
        return cast("ConnectionPool", self.engine.pool)

    async def ping(self) -> None:
        """Ask the database for an answer.

        Raises:
            DatabaseUnavailableError: it takes no connection.
            SQLAlchemyError: it does not answer as it should.
        """
        async with self._probe.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
        await self._probe.dispose()


def create_engine(settings: Settings, pool_size: int, max_overflow: int) -> AsyncEngine:
    """Return an engine that connects when first used, as the application's role."""
    limits = {
        "application_name": project.SLUG,
        "statement_timeout": str(settings.db_statement_timeout_ms),
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
    }
    engine = create_async_engine(
        settings.app_database_url(),
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=settings.db_pool_timeout,
        poolclass=ConnectionPool,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": silence_seconds(settings),
            "server_settings": limits,
        },
    )
    event.listen(engine.sync_engine, "handle_error", _end_silence)
    event.listen(engine.sync_engine, "do_connect", Connector().connect)
    event.listen(engine.sync_engine, "checkin", _remember_use)
    event.listen(engine.sync_engine, "checkout", _check_connection)
    return engine


class Connector:
    """Opens connections. While the database is away one attempt at a time is made.

    Who comes meanwhile is told at once that it is away, also when it is so by not answering.
    """

    def __init__(self) -> None:
        self._is_trying = False

    def connect(
        self,
        dialect: Dialect,
        _: ConnectionPoolEntry,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> DBAPIConnection:
        """Connect, and say of whatever prevents it that the database is away."""
        if POSTGRESQL.is_under_way and self._is_trying:
            raise DatabaseUnavailableError
        self._is_trying = True
        try:
            connection = dialect.connect(*args, **kwargs)
        except (OSError, dialect.loaded_dbapi.Error) as error:
            POSTGRESQL.note_failure(error)
            raise DatabaseUnavailableError from error
        finally:
            self._is_trying = False
        POSTGRESQL.note_answer()
        return connection


def _remember_use(_: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
    entry.info["used"] = time.monotonic()


def _check_connection(
    connection: AsyncAdapt_asyncpg_connection, entry: ConnectionPoolEntry, _: PoolProxiedConnection
) -> None:
    """Have a connection that no longer works replaced, and with it all that are as old.

    That PostgreSQL has stopped, or ended the connection, the operating system has told by now. What
    has vanished without a word, such as behind a firewall, is found by asking.

    Raises:
        InvalidatePoolError: it no longer works; the pool takes note of it and connects anew.
    """
    used: float | None = entry.info.get("used")
    if used is None:  # it has just been opened
        return
    driver: asyncpg.Connection = entry.driver_connection
    if driver.is_closed():
        raise InvalidatePoolError
    if time.monotonic() - used < TRUSTED_SECONDS:
        return
    try:
        connection.ping()  # type: ignore[no-untyped-call]  # it has no annotations
    except (OSError, AsyncAdapt_asyncpg_dbapi.Error) as error:
        raise InvalidatePoolError from error


def silence_seconds(settings: Settings) -> float | None:
    """Return for how long PostgreSQL may be silent: longer than it lets a statement run."""
    limit = settings.db_statement_timeout_ms
    return limit / 1000 + SILENCE_SECONDS if limit else None


def _end_silence(context: ExceptionContext) -> Exception | None:
    """Give up a connection that is silent for too long: its server has vanished, or hangs.

    Without an end to patience the operating system decides, after about a quarter of an hour.
    """
    if not isinstance(context.original_exception, TimeoutError):
        return None
    context.is_disconnect = True
    return DatabaseUnavailableError()


def setting_of(tenant_id: UUID) -> Function[str]:
    """Return the expression that tells PostgreSQL a tenant, until the transaction ends."""
    return func.set_config("app.current_tenant_id", str(tenant_id), True)


@event.listens_for(Session, "after_begin")
def _set_tenant(session: Session, _: SessionTransaction, connection: Connection) -> None:
    """Tell PostgreSQL the session's tenant, in each of its transactions."""
    if (tenant_id := session.info.get(TENANT)) is not None:
        connection.execute(select(setting_of(tenant_id)))


async def get_database(connection: HTTPConnection) -> Database:
    """Return the application's database, as a dependency of an endpoint.

    FastAPI would run a function that is not async in another thread.
    """
    database: Database = connection.app.state.database
    return database


DatabaseDep = Annotated[Database, Depends(get_database)]
