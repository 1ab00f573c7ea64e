"""Rules of identity that need no server: what a scope includes, where a login may lead."""

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.identity.login import LoginFailedError, check_return_to
from app.identity.scopes import (
    ADMINISTRATIVE,
    INCLUDED,
    PERMITTED,
    Role,
    Scope,
    effective_scopes,
    parse_scopes,
    with_included,
)

scopes = st.frozensets(st.sampled_from(Scope))
roles = st.sampled_from([None, *Role])


def test_the_claim_is_read_by_words_and_unknown_scopes_are_left_out() -> None:
    assert parse_scopes("openid  statements/read admin/x administrator") == {Scope.STATEMENTS_READ}
    assert parse_scopes("") == frozenset()


def test_reading_includes_reading_what_is_mine_and_nothing_else() -> None:
    assert with_included({Scope.STATEMENTS_READ}) == {
        Scope.STATEMENTS_READ,
        Scope.STATEMENTS_READ_MINE,
    }
    assert with_included({Scope.STATEMENTS_READ_MINE}) == {Scope.STATEMENTS_READ_MINE}


def test_a_tenants_administrator_may_do_all_work_and_does_not_manage_the_platform() -> None:
    assert with_included({Scope.TENANT_ADMIN}) == set(Scope) - {Scope.ADMIN}


def test_a_platforms_administrator_reads_no_tenants_data() -> None:
    assert with_included({Scope.ADMIN}) == {Scope.ADMIN}


def test_a_member_has_no_use_of_an_administrators_token() -> None:
    granted = frozenset(Scope) - {Scope.ADMIN}
    assert effective_scopes(granted, Role.ADMIN) == granted
    assert effective_scopes(granted, Role.MEMBER) == granted - {Scope.TENANT_ADMIN}


def test_without_a_tenant_only_the_platform_can_be_managed() -> None:
    assert effective_scopes(frozenset(Scope), None) == {Scope.ADMIN}


@given(scopes, roles)
def test_nothing_is_gained_beyond_token_and_role(granted: frozenset[Scope], role: Role) -> None:
    effective = effective_scopes(granted, role)
    assert effective <= with_included(granted)
    assert effective <= (PERMITTED.get(role, frozenset()) | {Scope.ADMIN})
    assert (Scope.ADMIN in effective) == (Scope.ADMIN in granted)


@given(scopes)
def test_including_is_complete_after_one_step(granted: frozenset[Scope]) -> None:
    assert with_included(with_included(granted)) == with_included(granted)


def test_no_scope_brings_an_administrative_one() -> None:
    assert all(included.isdisjoint(ADMINISTRATIVE) for included in INCLUDED.values())


@pytest.mark.parametrize("path", ["/", "/items", "/items?page=2#top", "/a//b", "/a?next=https://x"])
def test_paths_of_the_page_are_accepted(path: str) -> None:
    assert check_return_to(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "items",
        "https://elsewhere.test/",
        "//elsewhere.test",
        "///elsewhere.test",
        "/\\elsewhere.test",
        "\\\\elsewhere.test",
        "/\t/elsewhere.test",
        "/\n/elsewhere.test",
        "javascript:alert(1)",
        "/\r\nSet-Cookie: a=b",
        " //elsewhere.test",
    ],
)
def test_what_may_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(LoginFailedError):
        check_return_to(path)


@given(st.text(st.sampled_from("/\\:@?#.ax\t\n "), max_size=12) | st.text(max_size=20))
@example("/[")
def test_whatever_is_accepted_stays_on_the_page(path: str) -> None:
    try:
        accepted = check_return_to(path)
    except LoginFailedError:
        return
    page = "https://app.example.test"
    assert urlsplit(page + accepted).netloc == "app.example.test"
    assert "\n" not in accepted
    # What browsers do before they parse: they take a backslash for a slash.
    assert not accepted.replace("\\", "/").startswith("//")
