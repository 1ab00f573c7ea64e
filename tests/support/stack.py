"""Starts a generated project's development stack as a person does (`make dev`), and stops it by Ctrl-C."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from support.projects import CommandFailedError, Project, clean_environment

START_SECONDS = 180
STOP_SECONDS = 30


@dataclass
class Stack:
    """A running stack: its process, what it printed, and the addresses that it wrote when it was ready."""

    process: subprocess.Popen[bytes]
    log: Path
    facts: dict[str, Any]

    def printed(self) -> str:
        """Return what the stack has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def interrupt(self) -> int:
        """Press Ctrl-C: signal the whole foreground group, as a terminal does; return make's exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(STOP_SECONDS)


@contextmanager
def running(project: Project, log: Path, *arguments: str, **environment: str) -> Iterator[Stack]:
    """Run `make dev` until the block ends.

    Raises:
        CommandFailedError: the stack ended before it was ready, or was not ready in time.
    """
    ready = log.with_suffix(".json")
    ready.unlink(missing_ok=True)  # a run that was killed left it
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["make", "dev", f"ARGS=--ready-file {ready} {' '.join(arguments)}"],
            cwd=project.path,
            env=clean_environment() | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise CommandFailedError(f"make dev is not ready (status {process.poll()}):\n{log.read_text(errors='replace')}")
            time.sleep(0.1)
        yield Stack(process, log, json.loads(ready.read_text(encoding="utf-8")))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def processes_of(project: Project) -> list[psutil.Process]:
    """Return every process that works in the project's folder or was started from it."""
    folder = str(project.path)
    found = []
    for process in psutil.process_iter():
        try:
            places = [process.cwd(), *process.cmdline()]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if process.pid != os.getpid() and any(folder in place for place in places):
            found.append(process)
    return found
