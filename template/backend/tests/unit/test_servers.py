"""Tests never reach data that somebody wants to keep."""

import pytest

from tests.servers import given_database, refuse_first_database


@pytest.mark.parametrize("name", ["app", "app_test2", "test", ""])
def test_a_database_that_is_not_named_for_tests_is_refused(name: str) -> None:
    with pytest.raises(pytest.exit.Exception, match="must end in _test"):
        given_database(f"postgresql://postgres:x@db:5432/{name}")


def test_a_database_that_is_named_for_tests_is_used() -> None:
    administrator, roles = given_database("postgresql://root:pass@db:6543/app_test")

    assert (administrator.user, administrator.password) == ("root", "pass")
    assert (administrator.host, administrator.port) == ("db", 6543)
    assert (roles.database, roles.app) == ("app_test", "app_test_app")


@pytest.mark.parametrize("url", ["redis://cache:6379", "redis://cache:6379/0", "redis://cache/"])
def test_the_first_redis_database_is_refused(url: str) -> None:
    with pytest.raises(pytest.exit.Exception, match=r"redis://cache.*/15"):
        refuse_first_database(url)


def test_another_redis_database_is_used() -> None:
    refuse_first_database("redis://cache:6379/15")
