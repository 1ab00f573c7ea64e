"""What requests are measured against: FastAPI's own routes, without anything that the project adds.

Runs in a generated project. The list reads the same rows with the same statement, over the same kind of pool, under the same
row-level security, and answers with the same response model. Its connections know the tenant from their start, so that it
pays for no authentication and for no statement but its own.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.core.database import Database
from app.core.health import Health
from app.core.pagination import Page
from app.core.settings import get_settings
from app.modules.todos.models import Todo
from app.modules.todos.schemas import TodoRead
from fastapi import FastAPI, Request
from sqlalchemy import event, select


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

    app = FastAPI(lifespan=lifespan)
    app.state.database = database

    @app.get("/bare")
    async def bare() -> Health:
        return Health()

    @app.get("/bare/todos")
    async def todos(request: Request) -> Page[TodoRead]:
        statement = select(Todo).order_by(Todo.created_at.desc(), Todo.id.desc()).limit(21)
        async with request.app.state.database.session() as session:
            found = list(await session.scalars(statement))
        return Page(items=[TodoRead.model_validate(todo) for todo in found], next_cursor=None)

    return app
