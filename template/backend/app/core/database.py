"""The database: an engine, sessions, and the tenant that a transaction works for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final
from uuid import UUID

import asyncpg
import structlog
from fastapi import Depends
from sqlalchemy import Connection, Dialect, Function, MetaData, event, func, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Session, SessionTransaction
from sqlalchemy.pool import ConnectionPoolEntry
from starlette.requests import HTTPConnection

from app import project
from app.core.errors import DatabaseUnavailableError
from app.core.settings import Settings

logger = structlog.get_logger(__name__)

IDLE_IN_TRANSACTION_MS: Final = 60_000
"""After that long without a statement a transaction is forgotten rather than slow, and is ended."""

AWAY: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,  # too many connections
    asyncpg.exceptions.OperatorInterventionError,  # starting, or shutting down
)
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
        async with self.session(tenant_id) as session, session.begin():
            yield session

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
        pool_pre_ping=True,
        connect_args={"timeout": settings.db_pool_timeout, "server_settings": limits},
    )
    event.listen(engine.sync_engine, "do_connect", _connect)
    return engine


def _connect(
    dialect: Dialect, _: ConnectionPoolEntry, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> DBAPIConnection:
    """Connect, and say of every way in which the database can be away that it is away."""
    try:
        return dialect.connect(*args, **kwargs)
    except AWAY as error:
        logger.warning("database unavailable", error=repr(error))
        raise DatabaseUnavailableError from error


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
