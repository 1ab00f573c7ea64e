"""Middleware in plain ASGI: what it sees it passes on, errors and context variables included."""

import logging
import re
import time
from typing import Final
from uuid import uuid4

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.context import RequestState, enter_request, get_request
from app.core.errors import ContentTooLargeError, ProblemError, send_problem

logger = structlog.get_logger(__name__)

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,128}")
STARTS: Final = frozenset({"http.response.start", "websocket.http.response.start"})
"""Messages with which an answer begins."""

QUIET: Final = ("/health", "/health/ready")
BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods of which no endpoint reads a body."""


class RequestContext:
    """Gives a request its id, its context and its line in the access log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; its id is the caller's `X-Request-ID` if that is harmless in a log."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex
        client = scope.get("client")
        state = RequestState(request_id, client[0] if client else None)
        enter_request(state)
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            if message["type"] in STARTS:
                state.status = message["status"]
                headers = message.get("headers", ())
                message["headers"] = [*headers, (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            log_access(scope, state.status, time.perf_counter() - started)


def log_access(scope: Scope, status: int | None, seconds: float) -> None:
    """Write a request's line. The query is left out: it may hold a code, a token or a name."""
    if scope["type"] != "http":
        return
    path = scope["path"]
    # Probes come every few seconds; they are of interest only when they fail.
    quiet = path.endswith(QUIET) and (status or 0) < 400
    if quiet and not logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
        return  # at once: structlog finds out after it has made a logger
    write = logger.debug if quiet else logger.info
    write(
        "request",
        method=scope["method"],
        path=path,
        status=status,
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
        try:
            await self.app(scope, receive, send)
        except Exception:
            if (request := get_request()) is None or request.status is not None:
                raise
            logger.exception("unhandled error")
            error = ProblemError("The server failed; the request's id leads to its log lines.")
            await send_problem(error, scope, receive, send)


class BodyLimit:
    """Refuses a body that is longer than a limit, before it is in memory.

    Not Starlette's (`max_body_size`): to a Content-Length that is too large it sends plain text of
    its own in the place of any other answer, so that no handler can make a problem of it.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request whose body is not too long; one that does not say so is counted."""
        if scope["type"] != "http" or scope["method"] in BODILESS:
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length")
        if length is None:
            await self.app(scope, self._counting(receive), send)
        elif int(length) > self.limit:  # the server has seen that it is a number
            await send_problem(ContentTooLargeError(self.limit), scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _counting(self, receive: Receive) -> Receive:
        total = 0

        async def receive_counted() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            if total > self.limit:
                error = ContentTooLargeError(self.limit)
                # Who reads a body takes any other exception for a mistake in it, and answers 400.
                raise HTTPException(error.status, error.detail, error.headers)
            return message

        return receive_counted
