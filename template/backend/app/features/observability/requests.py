"""Requests: how many, how long, how many at once; in plain ASGI, outside of the core's middleware.

There an answer is what the client gets: an unhandled error has become a 500, and a refusal by any
other middleware is seen.
"""

import asyncio
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.features.observability import degradation
from app.features.observability.registry import Counter, Gauge, Histogram

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED: Final = "unmatched"
CLIENT_CLOSED: Final = 499
"""The client went away before there was an answer; nginx's number, not one of HTTP's."""

REQUESTS: Final = Counter(
    "http_requests_total", "Requests, by the answer's status.", ["method", "route", "status"]
)
DURATION: Final = Histogram(
    "http_request_duration_seconds",
    "Time from a request's arrival to the end of its answer.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10),
)
IN_PROGRESS: Final = Gauge(
    "http_requests_in_progress", "Requests that are being served.", multiprocess_mode="livesum"
)


class RequestMetrics:
    """Counts and times requests."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and count it, whatever becomes of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = CLIENT_CLOSED

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        IN_PROGRESS.inc()
        started = time.perf_counter()
        try:
            await self.app(scope, receive, watch)
        except asyncio.CancelledError:
            status = CLIENT_CLOSED
            raise
        except BaseException:
            status = 500
            raise
        finally:
            IN_PROGRESS.dec()
            method, route = method_label(scope), route_label(scope)
            REQUESTS.labels(method, route, str(status)).inc()
            DURATION.labels(method, route).observe(time.perf_counter() - started)
            degradation.publish()


def method_label(scope: Scope) -> str:
    """Return the method; a client can invent methods, and each would be a series."""
    method: str = scope["method"]
    return method if method in METHODS else "OTHER"


def route_label(scope: Scope) -> str:
    """Return the template of the route that served a request, as /todos/{todo_id}, never its path.

    FastAPI keeps the whole template, the prefixes of all routers included, in a place of its own;
    the route alone knows its own part. Both are bounded by the number of routes.
    """
    context = scope.get("fastapi", {}).get("effective_route_context")
    for source in (context, scope.get("route")):
        if isinstance(template := getattr(source, "path_format", None), str):
            return template
    return UNMATCHED
