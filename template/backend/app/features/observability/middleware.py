"""Counts requests and answers `/metrics`: in plain ASGI, outside of the core's middleware.

There an answer is what the client gets: an unhandled error has become a 500, and a refusal by any
other middleware is seen.
"""

import asyncio
import hmac
import time
from functools import cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import ForbiddenError, UnauthorizedError, send_problem
from app.features.observability.collectors import ask_redis, publish_redis
from app.features.observability.registry import Counter, Gauge, Histogram, exposition
from app.features.observability.settings import ObservabilitySettings

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
            requests, duration = series(method_label(scope), route_label(scope), status)
            requests.inc()
            duration.observe(time.perf_counter() - started)
            publish_redis()


@cache
def series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Return what counts such requests; both labels and so the entries are bounded."""
    return REQUESTS.labels(method, route, str(status)), DURATION.labels(method, route)


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


class MetricsEndpoint:
    """Answers GET /metrics before anything else sees it: it is not logged, limited or counted.

    It is for a Prometheus of one's own: outside of API_PREFIX, which is all that nginx passes on.
    """

    def __init__(self, app: ASGIApp, settings: ObservabilitySettings) -> None:
        self.app = app
        self.networks = [ip_network(network) for network in settings.metrics_allowed_networks]
        self.token = settings.metrics_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the metrics to who may read them, and leave everything else to the application."""
        if (
            scope["type"] != "http"
            or scope["path"] != "/metrics"
            or scope["method"] not in {"GET", "HEAD"}
        ):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if refusal := self.refusal(scope, headers):
            await send_problem(refusal, scope, receive, send)
            return
        await ask_redis(scope["app"].state.redis)
        publish_redis()
        body, content_type = exposition(headers.get("accept", ""))
        await Response(body, headers={"Content-Type": content_type})(scope, receive, send)

    def refusal(self, scope: Scope, headers: Headers) -> ForbiddenError | UnauthorizedError | None:
        """Return why a client may not read the metrics, or None.

        With a token, only the token counts. Without one the address does, and nothing that came
        through a proxy: the address would be the proxy's, a private one, and the reader anybody.
        """
        if self.token is not None:
            given = headers.get("authorization", "").encode()
            if hmac.compare_digest(given, f"Bearer {self.token.get_secret_value()}".encode()):
                return None
            return UnauthorizedError("The metrics need the token that METRICS_TOKEN holds.")
        if "x-forwarded-for" in headers or "forwarded" in headers:
            return ForbiddenError("The metrics are not served through a proxy; set METRICS_TOKEN.")
        if not self.is_allowed(scope["client"][0] if scope.get("client") else None):
            return ForbiddenError(
                "The metrics are not served to this address; see METRICS_ALLOWED_NETWORKS."
            )
        return None

    def is_allowed(self, client: str | None) -> bool:
        """Whether an address is in an allowed network; a Unix socket has none and is local."""
        if client is None:
            return True
        try:
            address = ip_address(client)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)
