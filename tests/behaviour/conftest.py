"""What tests of faults and of load stand on: a project that is served, and servers that a test may harm."""

from collections.abc import Callable, Iterator

import pytest
from support.bed import Bed, Server, bed
from support.ports import free_ports
from support.projects import Project


@pytest.fixture(scope="module")
def ground(workshop: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """Return servers of the module's own."""
    with bed(workshop().path / "backend", tmp_path_factory.mktemp("bed")) as ground:
        yield ground


@pytest.fixture(scope="module")
def server(ground: Bed) -> Iterator[Server]:
    """Return the application, with the settings that it has by itself."""
    with ground.serving(free_ports(1)[0]) as server:
        yield server
