"""Child processes: in groups of their own, watched, and stopped with all that they started."""

import asyncio
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

import httpx2

from dev.console import Console, DevError
from dev.lock import Lock, signal_group

GRACE: Final = 5.0
"""Seconds between asking a process to end and ending it."""
KEPT_LINES: Final = 15
LINE_LIMIT: Final = 1024 * 1024
PATIENCE: Final = 60.0
"""Seconds until a part must answer; a first start on a slow machine compiles and caches."""
SOON: Final = 5.0
"""Seconds after which a part that does not answer yet is worth a word."""


class Child:
    """A process whose output is printed under its name."""

    def __init__(self, name: str, console: Console, lock: Lock) -> None:
        """Name it; nothing is started."""
        self.name = name
        self._console = console
        self._lock = lock
        self._process: asyncio.subprocess.Process | None = None
        self._output: asyncio.Task[None] | None = None
        self._last: deque[str] = deque(maxlen=KEPT_LINES)

    async def start(self, command: Sequence[str | Path], cwd: Path, env: Mapping[str, str]) -> None:
        """Start the command in a session of its own, which a terminal's Ctrl-C does not reach.

        Raises:
            DevError: the program is not there.
        """
        # A pipe of our own: asyncio's would keep `wait` waiting for grandchildren that hold it.
        reading, writing = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *map(str, command),
                cwd=cwd,
                env={**env, "PYTHONUNBUFFERED": "1"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            os.close(reading)
            missing = f"{self.name}: {error.filename} is not there."
            raise DevError(f"{missing} `make install` installs it.") from None
        finally:
            os.close(writing)
        self._lock.add(self._process.pid)
        self._output = asyncio.create_task(self._print(os.fdopen(reading, "rb")))

    async def ended(self) -> int:
        """Wait until the process ends; return its exit status."""
        assert self._process is not None  # noqa: S101 - start comes first
        status = await self._process.wait()
        if self._output is not None:
            with suppress(asyncio.TimeoutError):  # a grandchild may hold the pipe
                await asyncio.wait_for(asyncio.shield(self._output), 1)
        return status

    async def complete(self) -> None:
        """Wait for a command that is expected to end.

        Raises:
            DevError: it failed.
        """
        if status := await self.ended():
            raise self.failure(status)
        self._forget()

    async def until_ready(self, url: str, *, gives_up: bool = True) -> None:
        """Wait until a GET is answered with a status below 400.

        Args:
            url: what to get.
            gives_up: False waits for ever, for a part that starts again when its code is mended.

        Raises:
            DevError: the process ends before, or does not answer in time.
        """
        ended = asyncio.ensure_future(self.ended())
        begun = time.monotonic()
        last, silent = "no answer", True
        try:
            # trust_env: a proxy of the developer's must not be asked for this machine's address.
            async with httpx2.AsyncClient(trust_env=False, timeout=2) as client:
                while (waited := time.monotonic() - begun) < PATIENCE or not gives_up:
                    if ended.done():
                        raise self.failure(ended.result())
                    if silent and waited > SOON:
                        silent = False
                        waits = "up to a minute" if gives_up else "until it does"
                        silence = f"{self.name} does not answer yet ({last}): waiting {waits}."
                        self._console.say(f"{silence} Its last lines are above.")
                    try:
                        response = await client.get(url)
                        if response.status_code < 400 and not ended.done():
                            return
                        last = f"status {response.status_code}: {response.text[:500]}"
                    except httpx2.HTTPError as error:
                        last = str(error) or type(error).__name__
                    await asyncio.sleep(0.1)
        finally:
            ended.cancel()
        raise self.error(f"did not answer at {url} within {PATIENCE:.0f} s ({last})")

    def failure(self, status: int) -> DevError:
        """Describe an end that was not asked for, with the last lines of output."""
        by_signal = status < 0  # as subprocess.Popen.returncode has it
        how = (
            f"was ended by {signal.Signals(-status).name}" if by_signal else f"failed with {status}"
        )
        return self.error(how)

    def error(self, what: str) -> DevError:
        """Return an error of this process, with the last lines of its output."""
        return DevError("\n".join([f"{self.name} {what}. Its last lines:", *self._last]))

    async def stop(self) -> None:
        """End the whole group: first by SIGTERM, then, after a while, by SIGKILL."""
        if self._process is None:
            return
        pid = self._process.pid
        signal_group(pid, signal.SIGTERM)
        deadline = asyncio.get_running_loop().time() + GRACE
        # Polled: the system reports the end of a child, not of its children.
        while _group_lives(pid) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        if _group_lives(pid):
            signal_group(pid, signal.SIGKILL)
        await self.ended()
        self._forget()

    def _forget(self) -> None:
        if self._process is not None:
            self._lock.remove(self._process.pid)
            self._process = None

    async def _print(self, pipe: BinaryIO) -> None:
        reader = asyncio.StreamReader(limit=LINE_LIMIT)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        while True:
            try:
                line = await reader.readline()
            except ValueError:  # longer than the limit
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self._last.append(text)
            self._console.line(self.name, text)


def _group_lives(pid: int) -> bool:
    return signal_group(pid, 0)


def command_of(pid: int) -> str | None:
    """Return the command line of a process, or nothing if it has ended.

    One that has ended and that nobody has waited for yet, a zombie, has ended: it holds no port and
    no file, though signals to it seem to arrive.
    """
    if Path("/proc/self").exists():
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return None
        return arguments.replace(b"\0", b" ").decode(errors="replace").strip() or None
    ps = ["ps", "-o", "state=,args=", "-p", str(pid)]  # POSIX, for macOS
    line = subprocess.run(ps, capture_output=True, check=False, text=True).stdout.strip()
    return None if line.startswith("Z") else line.partition(" ")[2] or None
