"""Every fault of `docs/reference/faults.md` that needs a whole server: what the user sees, and that it is over by itself.

No test starts the application anew: it must recover in the process that met the fault.
"""

import json
import os
import re
import resource
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.bed import Bed, Server, await_true, memory, raise_open_files
from support.load import Load
from support.ports import free_ports
from support.tools import library

pytestmark = pytest.mark.verify
READY = {"status": "ready", "database": "ok", "pool": "ok", "redis": "ok"}
CLIENTS = 16
DOWN_SECONDS = 3.0
HOUR = 3600
Answer = tuple[int, dict[str, Any], dict[str, str]]
FEW_FILES = 64
MANY = 10_000
"""Connections at once; half of them silent, half in the middle of a request."""


@contextmanager
def loaded(server: Server, token: str, clients: int = CLIENTS) -> Iterator[Load]:
    """Ask for the todos all the time."""
    with Load(f"{server.address}/api/v1/todos", clients, {"Authorization": f"Bearer {token}"}) as load:
        await_true(lambda: server.get("/todos", token)[0] == 200, "nothing is served to begin with")
        yield load


def test_postgresql_is_stopped_and_started(ground: Bed, server: Server) -> None:
    token = ground.token()
    with loaded(server, token) as load:
        ground.do("postgres", "stop")
        stopped = time.monotonic()
        alive, ready, todos = server.get("/health"), server.get("/health/ready"), server.get("/todos", token)
        time.sleep(DOWN_SECONDS)
        ground.do("postgres", "start")
        started = time.monotonic()
        await_true(lambda: server.get("/todos", token)[0] == 200, "the database is back, and nothing is served")
        time.sleep(DOWN_SECONDS)
        result = load.stop()

    print(f"\n{result}\nfirst answer {result.first('200', started):.2f} s after the start")
    assert set(result.counts()) == {"200", "503"}
    assert result.without_retry_after() == 0
    assert set(result.between(stopped + 1, started).counts()) == {"503"}
    assert set(result.between(result.ended - 1, result.ended).counts()) == {"200"}
    assert [alive[0], ready[0], ready[1]["database"]] == [200, 503, "unavailable"]
    assert (todos[0], todos[1]["detail"], todos[2]["retry-after"]) == (503, "The database does not answer.", "5")
    assert server.get("/health/ready")[:2] == (200, READY)
    assert [line["part"] for line in server.events("outage began") + server.events("outage ended")] == ["postgresql"] * 2


def test_postgresql_hangs(ground: Bed) -> None:
    """It is there and answers nothing, as one behind a firewall that drops everything."""
    with ground.serving(free_ports(1)[0], DB_STATEMENT_TIMEOUT_MS="1000") as server:
        token = ground.token()
        with loaded(server, token) as load:
            ground.do("postgres", "hang")
            hung = time.monotonic()
            try:
                ready = server.get("/health/ready")
                await_true(lambda: server.get("/todos", token)[0] == 503, "a request is not told that the database is away")
                time.sleep(8)
                last = time.monotonic()
                told = server.get("/todos", token)
                told_seconds = time.monotonic() - last
            finally:
                ground.do("postgres", "resume")
            resumed = time.monotonic()
            await_true(lambda: server.get("/todos", token)[0] == 200, "the database is back, and nothing is served")
            time.sleep(DOWN_SECONDS)
            result = load.stop()

        print(f"\nhung for {resumed - hung:.1f} s: {result}\nlast one told after {told_seconds:.2f} s")
        assert ready[0] == 503
        assert told[0] == 503
        late = result.between(resumed, result.ended).answers
        assert min(when - took for when, _, took, _ in late) > hung + 1, "who was under way had to wait for its return"
        assert set(result.counts()) == {"200", "503"}
        assert result.without_retry_after() == 0
        assert server.get("/health/ready")[:2] == (200, READY)


def test_redis_is_killed(ground: Bed, server: Server) -> None:
    token = ground.token()
    with loaded(server, token) as load:
        ground.do("redis", "kill")
        time.sleep(DOWN_SECONDS)
        ready, users, todos = server.get("/health/ready"), server.get("/users", token), server.get("/todos", token)
        ground.do("redis", "start")
        await_true(lambda: server.get("/users", token)[0] == 200, "Redis is back, and administration is not")
        result = load.stop()

    print(f"\n{result}")
    assert set(result.counts()) == {"200"}
    assert all(result.per_second())
    assert ready[:2] == (200, READY | {"redis": "degraded"})
    assert (users[0], users[2]["retry-after"], todos[0]) == (503, "5", 200)
    assert server.get("/health/ready")[:2] == (200, READY)


def test_the_provider_is_unreachable_at_the_start(ground: Bed) -> None:
    token = ground.token()
    ground.do("provider", "stop")
    try:
        with ground.serving(free_ports(1)[0]) as server:
            away = server.get("/todos", token)
            others = [server.get(path)[0] for path in ("/health", "/health/ready", "/auth/config")]
            ground.do("provider", "start")
            await_true(lambda: server.get("/todos", token)[0] == 200, "the provider is back, and nobody is let in")
    finally:
        ground.do("provider", "stop")
        ground.do("provider", "start")

    assert (away[0], others) == (503, [200, 200, 200])
    assert "identity provider" in away[1]["detail"]
    assert re.fullmatch("[0-9]+", away[2]["retry-after"])


def test_the_provider_is_unreachable_later(ground: Bed) -> None:
    """Keys at hand serve on, stale ones too; a key that came meanwhile is taken when the provider is back."""
    with ground.serving(free_ports(1)[0], JWKS_CACHE_SECONDS="1", JWKS_REFRESH_INTERVAL_SECONDS="1") as server:
        token = ground.token()
        with loaded(server, token) as load:
            ground.do("provider", "stop")
            time.sleep(DOWN_SECONDS)
            ground.do("provider", "rotate")
            new = ground.token()
            unknown = server.get("/todos", new)
            result = load.stop()
        ground.do("provider", "start")
        await_true(lambda: server.get("/todos", new)[0] == 200, "a new key is not taken")
        withdrawn = server.get("/todos", token)

    assert set(result.counts()) == {"200"}
    assert (unknown[0], withdrawn[0]) == (503, 401)


def test_ten_thousand_connections(ground: Bed, server: Server) -> None:
    """Silent ones, and ones that have sent half of a request: others are served meanwhile, and afterwards nothing is left."""
    raise_open_files()
    token = ground.token()
    place = ("127.0.0.1", int(server.address.rpartition(":")[2]))
    before = memory(server.process)
    # Two others, and not more: in each turn of its loop the server takes one new connection, and busy turns are long.
    with ExitStack() as stack, loaded(server, token, 2) as load:
        sockets = [stack.enter_context(socket.socket()) for _ in range(MANY)]
        for number, connection in enumerate(sockets):
            connection.settimeout(60)
            connection.connect(place)
            if number % 2:
                connection.sendall(b"POST /api/v1/todos HTTP/1.1\r\nHost: localhost\r\nContent-Le")
        await_true(lambda: connections(server) > MANY * 0.9, "not all of them are open at once")
        open_now, meanwhile = connections(server), memory(server.process)
        served = [server.get("/todos", token)[0], server.get("/health/ready")[0]]
        ends = Counter(end_of(connection) for connection in sockets)
        result = load.stop()
    await_true(lambda: connections(server) < MANY / 10, "connections are left")

    print(f"\n{open_now} open; {before:.0f} MB before, {meanwhile:.0f} MB with them\n{result}\n{ends}")
    assert meanwhile - before < MANY * 0.03, "more than 30 kB for each"
    assert served == [200, 200]
    assert set(result.counts()) == {"200"}
    assert ends == {"": MANY / 2, "HTTP/1.1 408 Request Timeout": MANY / 2}
    assert server.get("/health/ready")[:2] == (200, READY)


def test_no_file_descriptor_is_left(ground: Bed) -> None:
    """More connections than the process may have files: it closes them, and neither spins nor ends."""
    with ground.serving(free_ports(1)[0]) as server, ExitStack() as stack:
        token = ground.token()
        place = ("127.0.0.1", int(server.address.rpartition(":")[2]))
        await_true(lambda: server.get("/todos", token)[0] == 200, "nothing is served to begin with")
        there = HTTPConnection(*place, timeout=60)
        statuses = [ask(there, token)]
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (FEW_FILES, FEW_FILES))
        process = psutil.Process(server.process.pid)
        before, began = process.cpu_times(), time.monotonic()
        sockets = [stack.enter_context(socket.create_connection(place, timeout=60)) for _ in range(2 * FEW_FILES)]
        await_true(lambda: process.num_fds() == FEW_FILES, "not every file descriptor is in use")
        statuses.append(ask(there, token))
        refused = end_of(stack.enter_context(socket.create_connection(place, timeout=60)))
        time.sleep(DOWN_SECONDS)
        after, seconds = process.cpu_times(), time.monotonic() - began
        ends = Counter(end_of(connection) for connection in sockets)
        await_true(lambda: server.get("/todos", token)[0] == 200, "connections have ended, and nothing is served")

        print(f"\n{after.user + after.system - before.user - before.system:.2f} s of CPU in {seconds:.1f} s")
        assert statuses == [200, 200]
        assert (refused, ends) == ("", {"": 2 * FEW_FILES})
        assert after.user + after.system - before.user - before.system < seconds / 4
        assert "Traceback" not in str(server.log and server.log.read_text())
        assert server.get("/health/ready")[:2] == (200, READY)


def ask(connection: HTTPConnection, token: str) -> int:
    """Ask for the todos over a connection that stays; return the status."""
    connection.request("GET", "/api/v1/todos", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def connections(server: Server) -> int:
    """Return how many sockets the server has."""
    links = []
    for handle in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(OSError):
            links.append(str(handle.readlink()))
    return sum(link.startswith("socket:") for link in links)


def end_of(connection: socket.socket) -> str:
    """Return the first line of what the server says before it closes a connection."""
    said = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(4096):
            said += piece
    return said.partition(b"\r\n")[0].decode()


def test_logs_to_a_full_disk(ground: Bed) -> None:
    with ground.serving(free_ports(1)[0], stdout="/dev/full") as server, loaded(server, ground.token()) as load:
        time.sleep(DOWN_SECONDS)
        result = load.stop()

    assert set(result.counts()) == {"200"}


def test_logs_that_nobody_reads(ground: Bed, tmp_path: Path) -> None:
    """A pipe whose reader hangs, as a container's log collector may. When it reads again, the log says what is missing."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with ground.serving(free_ports(1)[0], stdout=str(pipe)) as server, loaded(server, ground.token()) as load:
            time.sleep(2 * DOWN_SECONDS)
            while_hanging = load.stop()
            with suppress(BlockingIOError):
                while os.read(reader, 65536):
                    pass
            server.get("/todos")
            text = os.read(reader, 65536).decode()
    finally:
        os.close(reader)

    assert set(while_hanging.counts()) == {"200"}
    assert while_hanging.between(while_hanging.ended - DOWN_SECONDS, while_hanging.ended).answers, "it has stopped to answer"
    (line,) = [json.loads(line) for line in text.splitlines() if "log lines were lost" in line]
    assert line["lines"] > 0


def test_a_clock_that_jumps(ground: Bed, tmp_path: Path) -> None:
    """The application's clock by an hour, forwards and backwards, and back; those of its neighbours stay right."""
    clock = tmp_path / "clock"

    def jump(by: str) -> None:
        clock.with_suffix(".new").write_text(by)
        clock.with_suffix(".new").rename(clock)

    jump("+0")
    fake = {
        "LD_PRELOAD": str(library("faketime/libfaketimeMT.so.1", "libfaketime")),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "RATE_LIMIT_USER": "30/minute",
        "RATE_LIMIT_AUTH_FAILURES": "1000/minute",
    }
    now = int(time.time())
    with ground.serving(free_ports(1)[0], **fake) as server:
        usual, long = ground.token(sub="usual"), ground.token(sub="long", iat=now - 2 * HOUR, exp=now + 2 * HOUR)
        seen: dict[tuple[int, str], list[Answer]] = {}
        for by in ("+0", f"+{HOUR}", "+0", f"-{HOUR}", "+0"):
            jump(by)
            seen[len(seen), by] = [server.get("/todos", usual), server.get("/todos", long), server.get("/health/ready")]
        for by in (f"-{HOUR}", f"+{HOUR}"):
            jump(by)
            await_true(lambda: server.get("/todos", long)[0] == 429, "no rate is limited")
            limited = server.get("/todos", long)
            assert 0 < int(limited[2]["retry-after"]) <= 60, by
        jump("+0")

    statuses = [[answer[0] for answer in answers] for answers in seen.values()]
    assert statuses == [[200, 200, 200], [401, 200, 200], [200, 200, 200], [401, 200, 200], [200, 200, 200]]
    said = [answers[0][1].get("detail", "") for answers in seen.values()]
    assert "expired" in said[1]
    assert "not valid yet" in said[3]
