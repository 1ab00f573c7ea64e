"""Middleware in plain ASGI: what it sees it passes on, errors and context variables included."""

import re
import time
from typing import Final
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.context import RequestState, enter_request
from app.core.errors import ProblemError, send_problem

logger = structlog.get_logger(__name__)

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,128}")
QUIET: Final = ("/health", "/health/ready")


class RequestContext:
    """Gives a request its id, its context and its line in the access log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; its id is the caller's `X-Request-ID` if that is harmless in a log."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex
        client = scope.get("client")
        enter_request(RequestState(request_id, client[0] if client else None))
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            log_access(scope, status, time.perf_counter() - started)


def log_access(scope: Scope, status: int, seconds: float) -> None:
    """Write a request's line. The query is left out: it may hold a code, a token or a name."""
    if scope["type"] != "http":
        return
    path = scope["path"]
    # Probes come every few seconds; they are of interest only when they fail.
    quiet = path.endswith(QUIET) and status < 400
    write = logger.debug if quiet else logger.info
    write(
        "request",
        method=scope["method"],
        path=path,
        status=status or None,
        duration_ms=round(seconds * 1000, 1),
    )


class ErrorCatcher:
    """Answers an unhandled error with a problem, and logs it once, with its traceback.

    Starlette's own catcher is outside of all middleware: its answer would have no request id, no
    CORS or security header, and would be counted by nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request. If an answer has begun, the error goes on to the server and its log."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception:
            if started:
                raise
            logger.exception("unhandled error")
            error = ProblemError("The server failed; the request's id leads to its log lines.")
            await send_problem(error, scope, receive, send)
