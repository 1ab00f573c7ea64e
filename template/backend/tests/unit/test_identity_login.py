from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.identity.login import LoginFailedError, check_return_to


@pytest.mark.parametrize("path", ["/", "/todos", "/todos?page=2#top", "/a//b", "/a?next=https://x"])
def test_paths_of_the_page_are_accepted(path: str) -> None:
    assert check_return_to(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "todos",
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
