import json

import pytest

from app.core.redaction import REDACTED, redact

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "new_password",
        "accessToken",
        "client-secret",
        "api_key",
        "X-API-Key",
        "Authorization",
        "Set-Cookie",
        "credit_card",
        "ssn",
        "user_ssn",
    ],
)
def test_a_field_with_a_sensitive_name_is_redacted_at_any_depth(name: str) -> None:
    event = {"event": "x", name: "hide", "outer": [{"inner": {name: ["hide"]}}]}

    assert "hide" not in json.dumps(redact(None, "info", event))


@pytest.mark.parametrize("name", ["classname", "session_id", "path", "author", "tenant_id"])
def test_other_fields_stay(name: str) -> None:
    assert redact(None, "info", {name: "show"}) == {name: "show"}


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"got {TOKEN}, sorry", f"got {REDACTED}, sorry"),
        ("Authorization: Bearer abc.def-123", f"Authorization: Bearer {REDACTED}"),
        ("postgresql://app:pa%40ss@db/x", f"postgresql://app:{REDACTED}@db/x"),
        ("redis://:hunter2@cache:6379/0", f"redis://:{REDACTED}@cache:6379/0"),
        ("http://localhost:8000/api@v1", "http://localhost:8000/api@v1"),
        ("bearer of good news", "bearer of good news"),
    ],
)
def test_secrets_are_known_by_their_form_in_a_text(text: str, redacted: str) -> None:
    assert redact(None, "info", {"event": text}) == {"event": redacted}


def test_what_is_nested_too_deep_is_not_trusted() -> None:
    event: dict[str, object] = {"value": "hide"}
    for _ in range(20):
        event = {"level": event}

    assert "hide" not in json.dumps(redact(None, "info", event))


def test_bytes_and_tuples_are_looked_into() -> None:
    assert redact(None, "info", {"event": (b"Bearer abcdefgh",)}) == {
        "event": [f"Bearer {REDACTED}"]
    }
