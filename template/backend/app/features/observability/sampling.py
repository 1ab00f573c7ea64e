"""Which spans are made, and what they must not hold."""

from collections.abc import Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

QUIET: Final = ("/health", "/health/ready", "/metrics")
"""Paths that are asked every few seconds, by machines."""

URLS: Final = frozenset({"url.full", "http.url"})


class DiscreetSampler(Sampler):
    """Makes no span of probes, and keeps queries out of spans: theirs is the code of a login.

    For the rest it leaves the decision to the sampler that OTEL_TRACES_SAMPLER names.
    """

    def __init__(self, inner: Sampler) -> None:
        self.inner = inner

    def should_sample(  # noqa: PLR0913, PLR0917 - the interface of OpenTelemetry
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide on a span, before it is made."""
        if kind is SpanKind.SERVER and str((attributes or {}).get("url.path")).endswith(QUIET):
            return SamplingResult(Decision.DROP, trace_state=trace_state)
        return self.inner.should_sample(
            parent_context, trace_id, name, kind, without_queries(attributes), links, trace_state
        )

    def get_description(self) -> str:
        """Return the sampler's name."""
        return f"DiscreetSampler({self.inner.get_description()})"


def without_queries(attributes: Attributes) -> Attributes:
    """Return a span's attributes with every URL cut off before its query."""
    return {
        key: value.partition("?")[0] if key in URLS and isinstance(value, str) else value
        for key, value in (attributes or {}).items()
        if key != "url.query"
    }
