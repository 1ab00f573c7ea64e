import json
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog

from app.core import context
from app.core.logging import REDACTED, add_processor, configure_logging, redact
from app.core.settings import Settings

TENANT = context.TenantContext(UUID(int=1), "acme", "Acme")


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    context.leave_request()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_all_logs_are_one_stream_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="json"))

    structlog.get_logger("ours").info("first", count=1)
    logging.getLogger("uvicorn.error").info("second %s", "of two", extra={"color_message": "x"})

    first, second = lines(capsys)
    assert (first["event"], first["count"], first["level"]) == ("first", 1, "info")
    assert (second["event"], second["logger"]) == ("second of two", "uvicorn.error")
    assert first["timestamp"].endswith("Z")
    assert "color_message" not in second


def test_a_line_carries_the_request_its_tenant_and_user(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(Settings(log_format="json"))
    context.enter_request(context.RequestState("request-1"))
    context.set_current_tenant(TENANT)
    context.set_current_user_id(UUID(int=2))

    logging.getLogger("library").warning("something")

    (line,) = lines(capsys)
    assert line["request_id"] == "request-1"
    assert line["tenant_id"] == str(UUID(int=1))
    assert line["user_id"] == str(UUID(int=2))


def test_a_traceback_is_text_without_variables_and_redacted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(Settings(log_format="json"))

    def fail(variable: str) -> None:
        raise RuntimeError("cannot reach postgresql://app:hunter2@db/x")

    try:
        fail("nobody shall " + "read this")
    except RuntimeError:
        structlog.get_logger("ours").exception("failed")

    (line,) = lines(capsys)
    assert "Traceback" in line["exception"]
    assert "hunter2" not in line["exception"]
    assert "nobody shall read this" not in line["exception"]


def test_development_reads_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="console"))

    structlog.get_logger("ours").info("hello", password="hide")

    text = capsys.readouterr().out
    assert "hello" in text
    assert "hide" not in text


def test_a_feature_adds_fields_to_every_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.logging._added", [])
    configure_logging(Settings(log_format="json"))
    add_processor(lambda _, __, event: {**event, "trace_id": "abc"})

    structlog.get_logger("ours").info("one")
    logging.getLogger("library").warning("two")

    assert [line["trace_id"] for line in lines(capsys)] == ["abc", "abc"]


@pytest.mark.parametrize(
    ("environment", "form", "is_json"),
    [
        ("development", "auto", False),
        ("production", "auto", True),
        ("development", "json", True),
        ("production", "console", False),
    ],
)
def test_machines_read_json(environment: str, form: str, is_json: bool) -> None:
    secrets = {"app_db_password": "x", "redis_url": "redis://x"}
    settings = Settings.model_validate({"env": environment, "log_format": form, **secrets})

    assert settings.logs_are_json is is_json


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


@contextmanager
def piped_output() -> Iterator[int]:
    """Make standard output a pipe; yields its other end, which says when it is empty."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    usual = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)  # seconds: a write that waits would never end
    try:
        with os.fdopen(writing, "w") as stream, redirect_stdout(stream):
            yield reading
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, usual)
        os.close(reading)


def give_up(*_: object) -> None:
    raise AssertionError("a log line waits for somebody to read it")


def read_all(pipe: int) -> str:
    pieces = []
    with suppress(BlockingIOError):
        while piece := os.read(pipe, 65536):
            pieces.append(piece.decode())
    return "".join(pieces)


@pytest.mark.parametrize("length", [100, 30_000])
def test_a_line_that_nobody_reads_is_lost_and_counted(length: int) -> None:
    configure_logging(Settings(log_format="json"))
    logger = structlog.get_logger("test")
    with piped_output() as pipe:
        for number in range(2000):
            logger.info("x" * length, number=number)
        before = read_all(pipe).splitlines()
        logger.info("read again")
        after = [json.loads(line) for line in read_all(pipe).splitlines() if line]

    whole = [line for line in before if line.endswith("}")]
    assert [line["event"] for line in after] == ["read again", "log lines were lost"]
    assert after[1]["lines"] == 2000 - len(whole)
    assert len(before) - len(whole) <= 1, "one line may be torn"


def test_a_full_disk_is_no_error() -> None:
    configure_logging(Settings(log_format="json"))
    with Path("/dev/full").open("w") as full, redirect_stdout(full):
        structlog.get_logger("test").info("nobody will know")
    (handler,) = logging.getLogger().handlers
    assert vars(handler)["lost"] == 1
