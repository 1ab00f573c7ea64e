"""Settings: who may read the metrics, and where traces go."""

from typing import Final

from pydantic import Field, SecretStr

from app import project
from app.core.setting_types import Network, SettingList
from app.core.settings import EnvironmentSettings

PRIVATE_NETWORKS: Final = [
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
]
"""Loopback and the private networks of RFC 1918 and RFC 4193: where one's own Prometheus lives."""


class ObservabilitySettings(EnvironmentSettings):
    """What this feature reads; the variables that begin with OTEL_ are OpenTelemetry's own.

    PROMETHEUS_MULTIPROC_DIR is not among them: `registry.py` needs it before settings are read.
    """

    app_version: str = "unknown"
    metrics_allowed_networks: SettingList[Network] = PRIVATE_NETWORKS
    metrics_token: SecretStr | None = None

    otel_sdk_disabled: bool = False
    otel_service_name: str = project.SLUG
    otel_resource_attributes: str | None = None
    otel_exporter_otlp_endpoint: str | None = None
    otel_exporter_otlp_headers: SecretStr | None = None
    otel_exporter_otlp_timeout: float = Field(3, gt=0, description="seconds, retries included")
    otel_traces_sampler: str | None = None
    otel_traces_sampler_arg: str | None = None

    @property
    def traces_are_exported(self) -> bool:
        """Whether there is a collector to send traces to."""
        return self.otel_exporter_otlp_endpoint is not None and not self.otel_sdk_disabled

    def otel_environment(self) -> dict[str, str]:
        """Return OpenTelemetry's variables for its SDK, which reads the environment, no `.env`."""
        given = {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name.startswith("otel_")
        }
        return {
            name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in given.items()
            if value is not None
        }
