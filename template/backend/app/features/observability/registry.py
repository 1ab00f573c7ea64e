"""The types of metrics, and their text. Import the types from here: they add up over workers.

prometheus_client decides when it is first imported whether numbers are shared between processes, so
the folder is prepared before, and the decision is made again in case that import came earlier.
"""

from pathlib import Path
from typing import Final

from prometheus_client import values

from app.features.observability import workers

FOLDER: Final[Path] = workers.prepare_folder()
values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram  # noqa: E402
from prometheus_client.exposition import choose_encoder  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector  # noqa: E402

__all__ = ["Counter", "Gauge", "Histogram", "exposition"]


def exposition(accept: str) -> tuple[bytes, str]:
    """Return the metrics of all workers in a form that the client accepts, and its content type."""
    workers.forget_dead_workers(FOLDER)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(FOLDER))  # type: ignore[no-untyped-call]
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
