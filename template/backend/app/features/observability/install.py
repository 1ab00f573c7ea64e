"""Adds metrics to the application, and traces if there is a collector to send them to."""

import platform
from typing import Final

from fastapi import FastAPI

from app.core.settings import load_settings
from app.features.observability.collectors import watch_pool
from app.features.observability.middleware import MetricsEndpoint, RequestMetrics
from app.features.observability.registry import Gauge
from app.features.observability.settings import ObservabilitySettings

BUILD: Final = Gauge(
    "app_build_info",
    "1, with what is running as labels.",
    ["version", "environment", "python"],
    multiprocess_mode="livemax",
)


def install(app: FastAPI) -> None:
    """Measure requests and the pool of connections, serve /metrics, and trace."""
    settings = load_settings(ObservabilitySettings)
    BUILD.labels(settings.app_version, settings.env, platform.python_version()).set(1)
    watch_pool(app.state.database.engine.sync_engine, app.state.settings.db_max_overflow)
    app.add_middleware(RequestMetrics)
    app.add_middleware(MetricsEndpoint, settings=settings)
    if settings.traces_are_exported:
        # Importing OpenTelemetry takes time and memory: only who exports traces pays for it.
        from app.features.observability.tracing import start_tracing  # noqa: PLC0415

        start_tracing(app, settings)
