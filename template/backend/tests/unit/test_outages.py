import time

import pytest
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError

from app.core.outages import Outage


class Part:
    """Something that may be away."""

    def __init__(self) -> None:
        self.away = False
        self.asked = 0

    async def answer(self) -> int:
        self.asked += 1
        if self.away:
            raise RedisConnectionError("refused")
        return 0


@pytest.fixture
def part() -> Part:
    return Part()


async def test_an_outage_is_logged_once_when_it_begins_and_once_when_it_ends(part: Part) -> None:
    outage = Outage("redis", "nothing is limited", rest=0)
    with structlog.testing.capture_logs() as logs:
        for away in (False, True, True, True, False, False):
            part.away = away
            assert await outage.ask(part.answer) == (None if away else 0)
            assert outage.is_under_way is away
    assert [line["event"] for line in logs] == ["outage began", "outage ended"]
    assert logs[0]["consequence"] == "nothing is limited"
    assert logs[1]["unanswered"] == 3
    assert outage.unanswered == 3


async def test_a_part_that_is_away_is_left_alone_for_a_while(part: Part) -> None:
    outage = Outage("redis", "nothing is limited", rest=0.1)
    part.away = True
    for _ in range(100):
        assert await outage.ask(part.answer) is None
    assert part.asked == 1
    assert outage.unanswered == 100
    part.away = False
    time.sleep(0.11)  # noqa: ASYNC251 - nothing else runs
    assert await outage.ask(part.answer) == 0


async def test_a_mistake_in_the_program_is_no_outage() -> None:
    async def fail() -> int:
        raise KeyError("typo")

    with pytest.raises(KeyError):
        await Outage("redis", "nothing is limited").ask(fail)
