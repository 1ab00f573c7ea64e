"""What requests are measured against: FastAPI's own routes, without anything that the project adds.

Runs in a generated project. The lists read the same rows with the same statement, over the same kind of pool, under the same
row-level security, and answer with the same response model. The connections of the first know the tenant from their start, so
that it pays for no statement but its own. The second tells PostgreSQL the tenant in each transaction, as whoever serves several
tenants over one pool must. Neither knows who asks.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from app.core.database import Database
from app.core.health import Health
from app.core.pagination import Page
from app.core.settings import get_settings
from app.modules.todos.models import Todo
from app.modules.todos.schemas import TodoRead
from fastapi import FastAPI
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncSession


def create_app() -> FastAPI:
    """Return the application; BENCH_TENANT is the id of the tenant whose todos it lists."""
    database = Database(get_settings())

    @event.listens_for(database.engine.sync_engine, "do_connect", insert=True)
    def set_tenant(_dialect: object, _entry: object, _args: object, options: dict[str, Any]) -> None:
        options["server_settings"] = options["server_settings"] | {"app.current_tenant_id": os.environ["BENCH_TENANT"]}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await database.close()
        await tenants.close()

    tenants = Database(get_settings())
    tenant_id = UUID(os.environ["BENCH_TENANT"])
    app = FastAPI(lifespan=lifespan)

    @app.get("/bare")
    async def bare() -> Health:
        return Health()

    async def page(session: AsyncSession) -> Page[TodoRead]:
        found = await session.scalars(select(Todo).order_by(Todo.created_at.desc(), Todo.id.desc()).limit(21))
        return Page(items=[TodoRead.model_validate(todo) for todo in found], next_cursor=None)

    @app.get("/bare/todos")
    async def todos() -> Page[TodoRead]:
        async with database.session() as session:
            return await page(session)

    @app.get("/bare/tenant-todos")
    async def todos_of_tenant() -> Page[TodoRead]:
        async with tenants.transaction(tenant_id) as session:
            return await page(session)

    return app
