"""What each validator refuses, and that it says what is wrong and shows a good answer."""

from collections.abc import Callable

import answers
import identifiers
import pytest
from answers import (
    api_prefix_error,
    author_name_error,
    email_error,
    github_owner_error,
    port_error,
    project_description_error,
    project_name_error,
    project_slug_error,
)
from hypothesis import given
from hypothesis import strategies as st
from identifiers import slugify
from support.rendering import questions

REFUSED_NAMES = {
    "": "empty",
    "   ": "empty",
    "Acme ": "space",
    " Acme": "space",
    "x" * 200: "200 characters",
    "Acme {{ 7 * 7 }}": "'{'",
    "Acme $(reboot)": "'$'",
    "Acme `id`": "'`'",
    "<script>": "'<'",
    "back\\slash": "'\\'",
    "two\nlines": "U+000A",
    "tab\there": "U+0009",
    "bidi\u202eoverride": "U+202E",
    "no\u00a0break": "U+00A0",
    "---": "letter or digit",
}
ACCEPTED_NAMES = [
    "Acme",
    "O'Brien & Sons",
    'The "Best" App',
    "Ünïcödé Größe",
    "株式会社テスト",
    "a",
    "Acme 2.0 (beta): #1, 100 % yours!",
]


@pytest.mark.parametrize(("name", "reason"), REFUSED_NAMES.items())
@pytest.mark.parametrize("check", [project_name_error, project_description_error, author_name_error])
def test_text_that_some_format_would_interpret_is_refused(check: Callable[[str], str], name: str, reason: str) -> None:
    error = check(name)
    assert reason in error
    assert "Example: " in error


@pytest.mark.parametrize("name", ACCEPTED_NAMES)
@pytest.mark.parametrize("check", [project_name_error, project_description_error, author_name_error])
def test_names_as_people_write_them_are_accepted(check: Callable[[str], str], name: str) -> None:
    assert check(name) == ""


@pytest.mark.parametrize(
    "slug", ["9-App_", "-a", "a-", "a--b", "A", "a", "", "ä", "a b", "a_b", "a.b", "x" * 41, "postgres", "app", "class"]
)
def test_a_slug_that_cannot_name_a_database_or_a_container_is_refused(slug: str) -> None:
    error = project_slug_error(slug)
    assert f"'{slug}'" in error
    assert "Example: acme-orders." in error


@pytest.mark.parametrize("name", ["App", "Redis", "class", "Postgres!", "3 of 4", "日本", ""])
def test_a_name_that_is_taken_or_has_no_letter_still_gets_a_usable_slug(name: str) -> None:
    assert project_slug_error(slugify(name)) == ""


@given(st.text(max_size=80))
def test_the_proposed_slug_is_always_accepted(name: str) -> None:
    slug = slugify(name)
    assert (
        project_slug_error(slug) == "" or slug in {"app", "backend", "frontend", "class"} or "taken" in project_slug_error(slug)
    )


@pytest.mark.parametrize("port", [0, -1, 80, 1023, 65536, 70000])
def test_a_port_outside_of_the_range_is_refused(port: int) -> None:
    assert f"Port {port} is outside" in port_error(port, {})


def test_two_equal_ports_are_refused_with_the_name_of_the_other() -> None:
    assert "backend_port" in port_error(8000, {"frontend_port": 5173, "backend_port": 8000})
    assert port_error(8001, {"frontend_port": 5173, "backend_port": 8000}) == ""


@pytest.mark.parametrize(
    "address", ["", "ada", "ada@", "@example.com", "a b@example.com", "ada@example", "a..b@example.com", 'a"@x.com']
)
def test_what_is_no_email_address_is_refused(address: str) -> None:
    assert "Example: ada@example.com." in email_error(address)


@pytest.mark.parametrize("owner", ["", "-acme", "acme-", "a--b", "a_b", "a/b", "x" * 40])
def test_what_is_no_github_login_is_refused(owner: str) -> None:
    assert "Example: acme-inc." in github_owner_error(owner)


@pytest.mark.parametrize("prefix", ["", "/", "api", "/api/", "//api", "/Api", "/api v1", "/../x", "/auth", "/assets/x", "/{x}"])
def test_a_path_that_would_break_routes_is_refused(prefix: str) -> None:
    assert "Example: /api/v1." in api_prefix_error(prefix)


def test_every_question_that_takes_free_text_or_a_number_has_a_validator() -> None:
    for name, question in questions().items():
        if question.get("when") is not False and question["type"] in ("str", "int") and "choices" not in question:
            assert "validator" in question, f"{name} accepts anything"


def test_every_question_is_explained_and_none_asks_for_a_secret() -> None:
    for name, question in questions().items():
        assert not question.get("secret"), f"{name}: nothing secret is an answer, the answers file is committed"
        assert question.get("help") or question.get("when") is False, f"{name} has no help text"


def test_the_proposal_and_the_check_know_the_same_reserved_words() -> None:
    """Each extension stands alone, so the list stands in both."""
    assert identifiers.RESERVED_SLUGS == answers.RESERVED_SLUGS
    assert identifiers.SLUG_LENGTH == answers.SLUG_LENGTH
