"""How tests share the processes of `pytest -n`: what shares costly fixtures stays together, and what measures is alone."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = {"test_image_commands.py": "test_images.py"}
"""Modules that run in one process: Podman with two storages at once would give networks the same addresses."""


class ByModule(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Give each process whole modules, in the order in which they are collected: the long ones, in behaviour/, come first."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)  # without a log of its own it would print

    def _split_scope(self, nodeid: str) -> str:
        folder, _, name = nodeid.partition("::")[0].rpartition("/")
        return f"{folder}/{TOGETHER.get(name, name)}"


@contextmanager
def turn(config: pytest.Config, alone: bool) -> Iterator[None]:
    """Run a test beside those of the other processes; or alone, when theirs have ended and before the next begin.

    One lock is shared by tests that run, the other is a gate: who waits to be alone keeps it closed, or would wait for ever.
    """
    if not hasattr(config, "workerinput"):
        yield
        return
    folder = Path(config.option.basetemp).parent  # of this run
    with ExitStack() as stack:
        gate, running = (stack.enter_context((folder / name).open("w")) for name in ("gate", "running"))
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield
