from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.core.pagination import Cursor, PageQuery


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_cursor_comes_back_as_it_was(created_at: datetime, row_id: UUID) -> None:
    cursor = Cursor(created_at, row_id)

    assert Cursor.decode(PageQuery(cursor=cursor.encode()).cursor or "") == cursor


@given(st.text())
def test_anything_else_is_refused_and_nothing_fails(text: str) -> None:
    with pytest.raises(ValidationError, match="is no cursor"):
        PageQuery.model_validate({"cursor": text})


def test_a_cursor_without_a_time_zone_is_none_of_ours() -> None:
    naive = Cursor(datetime(2026, 1, 1), UUID(int=1)).encode()  # noqa: DTZ001 - that is the point

    with pytest.raises(ValidationError, match="is no cursor"):
        PageQuery.model_validate({"cursor": naive})


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_a_page_has_1_to_100_items(limit: int) -> None:
    with pytest.raises(ValidationError):
        PageQuery(limit=limit)
