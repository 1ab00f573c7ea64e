"""Generated projects that run: installed once, then shared by every test of the session.

Installing costs most, so `node_modules` are kept between sessions by the hash of what decides their content, and linked into
each new project; uv keeps its own cache of wheels and links from it, so a virtual environment is made anew each time.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evergreen"
PACKAGES = ("frontend", "keycloak")
SHOWN_LINES = 80
DEFAULT_TIMEOUT = 900
"""Seconds; only there so that a hanging command fails by name."""

UNUSUAL: dict[str, Any] = {
    "project_name": 'Äcme "Orders" & Sons\'',
    "backend_port": 8100,
    "frontend_port": 5273,
    "postgres_port": 5532,
    "redis_port": 6479,
}
"""Answers that nothing stands on, with every feature."""

RUNNERS = {"pytest": r"\b[1-9]\d* passed in ", "vitest": r"Tests +[1-9]\d* passed", "node --test": r"^\S pass [1-9]"}
"""What the three runners of tests print of those that passed: a run that finds none passes as well."""


def runners_without_tests(printed: str) -> list[str]:
    """Return the runners that do not say that tests have passed."""
    return [runner for runner, summary in RUNNERS.items() if not re.search(summary, printed, re.MULTILINE)]


class CommandFailedError(AssertionError):
    """A command in a generated project failed; the message holds the end of what it printed."""


@dataclass(frozen=True, eq=False)
class Project:
    """A generated project in a folder of its own."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str, **environment: str) -> str:
        """Run a command in the project and return what it printed.

        Raises:
            CommandFailedError: the command ended with another status than 0.
        """
        result = run_to_end(command, clean_environment() | self.environment | environment, DEFAULT_TIMEOUT, self.path)
        if result.returncode:
            shown = "\n".join(result.stdout.splitlines()[-SHOWN_LINES:])
            raise CommandFailedError(f"{' '.join(command)} in {self.path} ended with {result.returncode}:\n{shown}")
        return result.stdout

    def make(self, *targets: str, **environment: str) -> str:
        """Run targets of the project's own Makefile, as its team would."""
        return self.run("make", *targets, **environment)

    def install(self) -> None:
        """Install every dependency, from what an earlier session has kept where it is the same."""
        for name in PACKAGES:
            self._link_packages(name)
        self.make("install")
        for name in PACKAGES:
            self._keep_packages(name)

    def _kept(self, name: str) -> Path:
        described = (self.path / name / "package.json").read_text(encoding="utf-8").partition('"engines"')[2]
        node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout
        return CACHE / "node_modules" / hashlib.sha256((name + node + described).encode()).hexdigest()[:20]

    def _link_packages(self, name: str) -> None:
        kept = self._kept(name)
        if kept.is_dir():
            for item in kept.iterdir():
                subprocess.run(["cp", "--archive", "--link", str(item), str(self.path / name)], check=True)

    def _keep_packages(self, name: str) -> None:
        kept, source = self._kept(name), self.path / name
        if not kept.exists() and (source / "node_modules").is_dir():
            unfinished = kept.with_name(f"{kept.name}.{os.getpid()}")
            unfinished.mkdir(parents=True)
            for item in ("node_modules", "package-lock.json"):
                subprocess.run(["cp", "--archive", "--link", str(source / item), str(unfinished)], check=True)
            try:
                unfinished.rename(kept)
            except OSError:  # another session was faster
                shutil.rmtree(unfinished)


def run_to_end(
    command: Sequence[str], environment: dict[str, str], timeout: float, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command without input; what it prints, errors too, is the result's `stdout`."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )


def clean_environment() -> dict[str, str]:
    """Return this process' environment without what would reach into a project: its virtual environment, make's flags."""
    private = ("VIRTUAL_ENV", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONPATH", "PYTEST_CURRENT_TEST", "UV_PROJECT_ENVIRONMENT")
    return {name: value for name, value in os.environ.items() if name not in private}
