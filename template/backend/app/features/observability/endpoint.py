"""`/metrics`: for a Prometheus of one's own, not for the public."""

import hmac
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import ForbiddenError, UnauthorizedError, send_problem
from app.features.observability import degradation
from app.features.observability.registry import exposition
from app.features.observability.settings import ObservabilitySettings


class MetricsEndpoint:
    """Answers GET /metrics before anything else sees it: it is not logged, limited or counted.

    It is outside of API_PREFIX, which is all that nginx passes on.
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
        await degradation.ask_redis(scope["app"].state.redis)
        degradation.publish()
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
