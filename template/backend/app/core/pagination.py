"""Lists in pages: a cursor says where the last page ended, so that new rows shift nothing."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Generic, NamedTuple, Self, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import Select, inspect, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

Item = TypeVar("Item")
NO_CURSOR: Final = "is no cursor; send `next_cursor` of the page before, as it was"
# Every text of this form is a moment that Python and PostgreSQL know, between the years 1653 and
# 2286: a cursor that somebody made up leads to a page like any other, and to no error.
CURSOR: Final = "^-?[0-9]{1,16}-[0-9a-f]{32}$"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


class Cursor(NamedTuple):
    """A row's place in a list: when it was created, and its id among those of that moment."""

    created_at: datetime
    id: UUID

    def encode(self) -> str:
        """Return the cursor as clients hold it; its form is no promise to them."""
        return f"{(self.created_at - EPOCH) // MICROSECOND}-{self.id.hex}"

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return the cursor that a client sends back.

        Raises:
            ValueError: it is none of ours.
        """
        if not re.fullmatch(CURSOR, text):
            raise ValueError(NO_CURSOR)
        microseconds, _, row_id = text.rpartition("-")
        return cls(EPOCH + int(microseconds) * MICROSECOND, UUID(hex=row_id))


def check_cursor(text: str) -> str:
    """Refuse what is no cursor while the request is read: the client learns which value it is."""
    Cursor.decode(text)
    return text


CursorText = Annotated[
    str, AfterValidator(check_cursor), Field(json_schema_extra={"pattern": CURSOR})
]


class PageQuery(BaseModel):
    """Which page of a list."""

    limit: int = Field(default=20, ge=1, le=100, description="Items on the page, at most")
    cursor: CursorText | None = Field(default=None, description="`next_cursor` of the page before")


PageDep = Annotated[PageQuery, Query()]


class Page(BaseModel, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last one")


async def fetch_page(
    session: AsyncSession, statement: Select[Item], model: type[Item], query: PageQuery
) -> tuple[list[Item], str | None]:
    """Return the rows of one page, newest first, and the cursor of the next.

    Args:
        session: the session to read with.
        statement: a select of `model`, with its conditions and without an order.
        model: the model that is listed, with columns `created_at` and `id`; an index on
            (tenant_id, created_at, id) serves it.
        query: which page.
    """
    created_at, row_id = inspect(model).c.created_at, inspect(model).c.id
    if query.cursor is not None:
        place = Cursor.decode(query.cursor)
        statement = statement.where(tuple_(created_at, row_id) < tuple_(*place))
    # One row more than asked for tells whether there is a next page.
    statement = statement.order_by(created_at.desc(), row_id.desc()).limit(query.limit + 1)
    rows = list(await session.scalars(statement))
    if len(rows) <= query.limit:
        return rows, None
    last: Any = rows[query.limit - 1]
    return rows[: query.limit], Cursor(last.created_at, last.id).encode()
