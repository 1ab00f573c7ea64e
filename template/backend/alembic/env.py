"""How Alembic reaches the database, and which models it compares it with."""

import asyncio
import importlib
import logging
from pathlib import Path

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.core.database import Base
from app.core.settings import MigrationSettings, load_settings
from app.tenancy.migrations import isolate_new_tables

BACKEND = Path(__file__).parents[1]
OPTIONS = {
    "target_metadata": Base.metadata,
    "process_revision_directives": isolate_new_tables,
}


def import_models() -> None:
    """Import every `models.py` of the application, a feature's and a module's included."""
    for path in sorted((BACKEND / "app").rglob("models.py")):
        importlib.import_module(".".join(path.relative_to(BACKEND).with_suffix("").parts))


def migrate(connection: Connection) -> None:
    """Run the migrations. Who starts them at the same time waits, and then has none left to run."""
    connection.execute(text("SELECT pg_advisory_lock(hashtext('alembic'))"))
    connection.commit()
    context.configure(connection=connection, transaction_per_migration=True, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


async def run_online() -> None:
    """Migrate as the owner, over one connection; closing it gives the lock back."""
    url = load_settings(MigrationSettings).owner_database_url()
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


logging.basicConfig(format="%(message)s")
logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)
import_models()
if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(run_online())
