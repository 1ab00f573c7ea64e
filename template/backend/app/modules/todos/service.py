"""What can be done with todos, and by whom.

The tenant appears nowhere below but where a row is made: the database shows no other tenant's rows.
"""

from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ForbiddenError, NotFoundError
from app.core.pagination import PageQuery, fetch_page
from app.identity.dependencies import Principal
from app.modules.todos.models import Todo
from app.modules.todos.schemas import TodoCreate, TodoUpdate


def visible_to(principal: Principal) -> Select[Todo]:
    """Select what a caller may see: with `statements/read` the tenant's todos, else their own."""
    todos = select(Todo)
    return (
        todos
        if principal.may("statements/read")
        else todos.where(Todo.owner_id == principal.user_id)
    )


async def list_todos(
    session: AsyncSession, principal: Principal, query: PageQuery
) -> tuple[list[Todo], str | None]:
    """Return a page of the caller's todos and the cursor of the next one."""
    return await fetch_page(session, visible_to(principal), Todo, query)


async def get_todo(session: AsyncSession, principal: Principal, todo_id: UUID) -> Todo:
    """Return a todo.

    Raises:
        NotFoundError: there is none, or not one that the caller may see.
    """
    todo = await session.scalar(visible_to(principal).where(Todo.id == todo_id))
    if todo is None:
        raise NotFoundError(f"There is no todo {todo_id}.")
    return todo


async def create_todo(session: AsyncSession, principal: Principal, data: TodoCreate) -> Todo:
    """Add a todo of the caller's own."""
    todo = Todo(tenant_id=principal.tenant_id, owner_id=principal.user_id, title=data.title)
    session.add(todo)
    await session.flush()
    return todo


async def update_todo(
    session: AsyncSession, principal: Principal, todo_id: UUID, data: TodoUpdate
) -> Todo:
    """Change what is given of a todo.

    Raises:
        NotFoundError: there is none, or not one that the caller may see.
        ForbiddenError: it is another person's.
    """
    todo = await get_writable(session, principal, todo_id)
    for name, value in data.model_dump(exclude_none=True).items():
        setattr(todo, name, value)
    await session.flush()
    await session.refresh(todo)
    return todo


async def delete_todo(session: AsyncSession, principal: Principal, todo_id: UUID) -> None:
    """Delete a todo; the errors are those of `update_todo`."""
    await session.delete(await get_writable(session, principal, todo_id))


async def get_writable(session: AsyncSession, principal: Principal, todo_id: UUID) -> Todo:
    """Return a todo that the caller may change: their own, and with `tenant/admin` anyone's."""
    todo = await get_todo(session, principal, todo_id)
    if todo.owner_id != principal.user_id and not principal.may("tenant/admin"):
        raise ForbiddenError(
            "This todo is another person's; changing it needs the scope tenant/admin."
        )
    return todo
