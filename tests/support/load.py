"""Load on a server: keep-alive connections, each of which sends its next request when the last is answered.

The client is a process of its own (`python load.py`), with nothing but the standard library, so that it costs the machine little
and the test that started it can do something else meanwhile, such as to stop a database.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

REST_SECONDS = 0.05
"""Before a connection that could not be opened, or that the server closed, is tried again."""
ANSWER_SECONDS = 60.0
"""After which an answer counts as missing, and its connection is given up."""
STOP_SECONDS = 20.0
MISSING, LOST, REFUSED = "no answer in time", "connection lost", "connection refused"


@dataclass
class Result:
    """What came back. Times are `time.monotonic()`, which all processes of a machine share.

    Each of `answers` is: when it came, its status or what happened instead, seconds that it took, whether it had `Retry-After`.
    """

    began: float
    ended: float
    answers: list[tuple[float, str, float, bool]] = field(default_factory=list)

    def between(self, began: float, ended: float) -> "Result":
        """Return what came back within a time."""
        return Result(began, ended, [answer for answer in self.answers if began <= answer[0] < ended])

    def counts(self) -> Counter[str]:
        """Return how often each status, and each failure, was seen."""
        return Counter(status for _, status, _, _ in self.answers)

    def rate(self, status: str = "200") -> float:
        """Return answers per second with a status."""
        return self.counts()[status] / (self.ended - self.began)

    def per_second(self, status: str = "200") -> list[int]:
        """Return how many answers with a status each whole second saw."""
        seconds = [0] * int(self.ended - self.began)
        for when, seen, _, _ in self.answers:
            if seen == status and (second := int(when - self.began)) < len(seconds):
                seconds[second] += 1
        return seconds

    def latency(self, status: str, share: float) -> float:
        """Return the seconds within which a share of the answers with a status came: 0.5 for the median, 1 for the slowest."""
        taken = sorted(seconds for _, seen, seconds, _ in self.answers if seen == status)
        return taken[min(len(taken) - 1, int(len(taken) * share))] if taken else 0.0

    def without_retry_after(self) -> int:
        """Return how many 503s did not say when to come back."""
        return sum(1 for _, status, _, said in self.answers if status == "503" and not said)

    def first(self, status: str, after: float) -> float:
        """Return how many seconds after a moment the first answer with a status came that was asked for after it."""
        return min(
            (when - after for when, seen, took, _ in self.answers if seen == status and when - took > after), default=float("inf")
        )

    def __str__(self) -> str:
        seen = ", ".join(
            f"{count} x {status} (p50 {self.latency(status, 0.5) * 1000:.0f}, p99 {self.latency(status, 0.99) * 1000:.0f}, "
            f"max {self.latency(status, 1) * 1000:.0f} ms)"
            for status, count in self.counts().most_common()
        )
        return f"{self.ended - self.began:.1f} s: {seen or 'nothing'}; 200s per second: {self.per_second()}"


class Load:
    """Load from a process of its own. As a context manager it ends the process with the block; `stop` returns the result."""

    def __init__(self, url: str, connections: int, headers: dict[str, str] | None = None) -> None:
        command = [sys.executable, str(Path(__file__)), url, str(connections), json.dumps(headers or {})]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def stop(self) -> Result:
        """End the load and return what came back; requests that are under way are not waited for."""
        self._process.send_signal(signal.SIGINT)
        output, _ = self._process.communicate(timeout=STOP_SECONDS)
        document: dict[str, Any] = json.loads(output)
        return Result(**document)


def run_load(url: str, connections: int, seconds: float, headers: dict[str, str] | None = None) -> Result:
    """Send load for some seconds."""
    with Load(url, connections, headers) as load:
        time.sleep(seconds)
        return load.stop()


async def send_until(stop: asyncio.Event, url: str, connections: int, headers: dict[str, str]) -> Result:
    """Keep connections busy until told to stop."""
    parts = urlsplit(url)
    lines = [
        f"GET {parts.path or '/'} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    request = "\r\n".join([*lines, "", ""]).encode()
    result = Result(time.monotonic(), 0)
    tasks = {
        asyncio.create_task(keep_busy(str(parts.hostname), parts.port or 80, request, result.answers)) for _ in range(connections)
    }
    await stop.wait()
    assert not any(task.done() for task in tasks), "a connection of the load has failed"
    result.ended = time.monotonic()
    return result


async def keep_busy(host: str, port: int, request: bytes, answers: list[tuple[float, str, float, bool]]) -> None:
    """Send a request again and again, over one connection as long as the server keeps it."""
    while True:
        began = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError:
            answers.append((time.monotonic(), REFUSED, time.monotonic() - began, False))
            await asyncio.sleep(REST_SECONDS)
            continue
        try:
            while True:
                began = time.monotonic()
                writer.write(request)
                async with asyncio.timeout(ANSWER_SECONDS):
                    status, said = await read_answer(reader)
                answers.append((time.monotonic(), status, time.monotonic() - began, said))
        except TimeoutError:
            answers.append((time.monotonic(), MISSING, time.monotonic() - began, False))
        except (OSError, EOFError):
            answers.append((time.monotonic(), LOST, time.monotonic() - began, False))
            await asyncio.sleep(REST_SECONDS)
        finally:
            writer.close()


async def read_answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    """Read an answer that says its length; return its status and whether it says when to come back."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, rest = head.partition(b"\r\ncontent-length:")
    if rest:
        await reader.readexactly(int(rest.partition(b"\r\n")[0]))
    return head[9:12].decode(), b"\r\nretry-after:" in head


def main() -> None:
    """Send load until a signal, then print what came back."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("connections", type=int)
    parser.add_argument("headers", type=json.loads)
    arguments = parser.parse_args()

    async def run() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
        result = await send_until(stop, arguments.url, arguments.connections, arguments.headers)
        print(json.dumps(vars(result)), flush=True)
        os._exit(0)  # nobody waits for the requests that are under way

    asyncio.run(run())


if __name__ == "__main__":
    main()
