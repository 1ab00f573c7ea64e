"""The routes of todos."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from app.core.errors import problem_responses
from app.core.pagination import Page, PageDep
from app.identity.dependencies import Principal, require
from app.modules.todos import service
from app.modules.todos.models import Todo
from app.modules.todos.schemas import TodoCreate, TodoRead, TodoUpdate
from app.tenancy.dependencies import TenantSession

router = APIRouter(
    prefix="/todos", tags=["todos"], responses=problem_responses(401, 403, 422, 429, 503)
)
Reader = Annotated[Principal, require("statements/read", "statements/read/mine")]
Writer = Annotated[Principal, require("statements/write")]


@router.get("", summary="List todos")
async def list_all(principal: Reader, session: TenantSession, page: PageDep) -> Page[TodoRead]:
    """Return a page of the todos that the caller may see, newest first."""
    todos, next_cursor = await service.list_todos(session, principal, page)
    return Page(items=[TodoRead.model_validate(todo) for todo in todos], next_cursor=next_cursor)


@router.post("", status_code=201, response_model=TodoRead, summary="Create a todo")
async def create(principal: Writer, session: TenantSession, data: TodoCreate) -> Todo:
    """Add a todo of the caller's own."""
    return await service.create_todo(session, principal, data)


@router.get(
    "/{todo_id}",
    response_model=TodoRead,
    responses=problem_responses(404),
    summary="Read a todo",
)
async def read(principal: Reader, session: TenantSession, todo_id: UUID) -> Todo:
    """Return a todo."""
    return await service.get_todo(session, principal, todo_id)


@router.patch(
    "/{todo_id}",
    response_model=TodoRead,
    responses=problem_responses(404),
    summary="Change a todo",
)
async def update(
    principal: Writer, session: TenantSession, todo_id: UUID, data: TodoUpdate
) -> Todo:
    """Change what is given; the caller's own todos, and with `tenant/admin` anyone's."""
    return await service.update_todo(session, principal, todo_id, data)


@router.delete(
    "/{todo_id}", status_code=204, responses=problem_responses(404), summary="Delete a todo"
)
async def delete(principal: Writer, session: TenantSession, todo_id: UUID) -> None:
    """Delete the caller's own todo, and with `tenant/admin` anyone's."""
    await service.delete_todo(session, principal, todo_id)
