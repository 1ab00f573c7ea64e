"""Requests that nobody thought of: Schemathesis makes them from the API's own description.

It runs against the application as it is served, and asks every route that is described, a team's
own too, with good values, bad values, odd headers, methods and sequences. Each answer has to be one
that the description names, with the body and headers that it names, and never an error of the
server's.

FUZZ_SECONDS says how long; `make fuzz` sets it. Without it, few requests are made, the same each
time. `backend/schemathesis.toml`, if the team has written one, holds the exceptions of its routes.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import project
from tests.conftest import MakeTenant, TokenFor
from tests.identity_provider import LocalProvider
from tests.servers import BACKEND, get, serve
from tests.unit.test_identity_tokens import forgeries

Fuzz = Callable[..., Awaitable[int]]
OF_THE_TEAM: Final = BACKEND / "schemathesis.toml"
SECONDS: Final = int(os.environ.get("FUZZ_SECONDS", "0"))
CALLERS: Final[dict[str, dict[str, Any]]] = {
    "nobody": {},
    "member": {"subject": "bob"},
    "administrator": {"subject": "alice", "roles": ["tenant-admin"]},
    "platform": {"subject": "root", "scopes": ["admin"]},
}
FAR_AWAY: Final = 4_000_000_000
"""When the tokens end: a run may take longer than a token usually lives."""

UNLIMITED: Final = {
    "RATE_LIMIT_ENABLED": "true",
    "RATE_LIMIT_USER": "1000000/second",
    "RATE_LIMIT_ADDRESS": "1000000/second",
    "RATE_LIMIT_AUTH_FAILURES": "1000000/second",
}
LOGOUT: Final = "auth_logout"
"""Fuzzed by itself, with a token of its own, which it ends."""

BRIEFLY: Final = ("--max-examples=2", "--generation-deterministic")
LONG: Final = (
    "--phases=fuzzing,stateful",
    f"--max-time={max(1, SECONDS // len(CALLERS))}",
    "--generation-database=none",
)
"""For as long as there is time; what has an end of its own is in the brief run."""

CONFIGURATION: Final = """
continue-on-failure = true
# A deadline for requests that hang: no figure to measure by.
request-timeout = 60.0
warnings = false

# `state` is a secret that only the login before can know: any other is refused, whatever its form.
[[operations]]
include-operation-id = "oauth_callback"
checks.positive_data_acceptance.expected-statuses = ["303", "400"]

[checks]
max_response_time = 30.0
"""
PEERS: Final = """
# Two administrators, of two tenants: neither may read what is the other's.
[auth.wfc]
path = "{path}"
user = "one"
peers = ["one", "two"]
"""


@pytest.fixture(scope="module")
def server(_settings: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a running application's API, and the file that it logs to."""
    log = tmp_path_factory.mktemp("server") / "log"
    command = ("uvicorn", "--factory", "app.main:create_app", "--no-access-log")
    with serve(log, *command, **UNLIMITED, LOG_LEVEL="WARNING") as application:
        yield f"{application.url}{project.API_PREFIX}", log


@pytest.fixture
async def fuzz(server: tuple[str, Path], tmp_path: Path) -> Fuzz:
    """Run Schemathesis: `await fuzz(configuration, "--header", ...)`; returns how much it asked."""

    async def run(configuration: str, *options: str) -> int:
        address, log = server
        file = tmp_path / "schemathesis.toml"
        own = OF_THE_TEAM.read_text() if OF_THE_TEAM.is_file() else ""
        file.write_text(f"{configuration}\n{own}")
        ended = await asyncio.to_thread(
            subprocess.run,
            [
                Path(sys.executable).with_name("schemathesis"),
                *(f"--config-file={file}", "run", "--checks=all", "--no-color"),
                *(*options, f"{address}/openapi.json"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "Traceback" not in log.read_text(), log.read_text()
        requests = re.search(r"(\d+) generated", ended.stdout)
        assert requests, ended.stdout
        return int(requests[1])

    return run


@pytest.mark.parametrize("caller", CALLERS if SECONDS else ["administrator", "platform"])
async def test_whatever_is_asked_the_answer_is_as_described(
    caller: str,
    server: tuple[str, Path],
    fuzz: Fuzz,
    make_tenant: MakeTenant,
    token_for: TokenFor,
) -> None:
    one, two = [
        token_for(
            None if caller == "platform" else await make_tenant(), **CALLERS[caller], exp=FAR_AWAY
        )
        for _ in range(2)
    ]
    configuration, options = CONFIGURATION, [f"--exclude-operation-id={LOGOUT}"]
    if caller == "administrator":
        peers = server[1].with_name("peers.json")
        peers.write_text(json.dumps({"auth": [in_header("one", one), in_header("two", two)]}))
        configuration += PEERS.format(path=peers)
    elif caller != "nobody":
        options += [bearer(one)]

    requests = await fuzz(configuration, *options, *BRIEFLY)
    if SECONDS:
        requests += await fuzz(configuration, *options, *LONG)
    print(f"{caller}: {requests} requests")  # noqa: T201 - `make fuzz` shows it
    # Who is refused sees little of the API: it would all have been for nothing.
    answer = await asyncio.to_thread(
        get, f"{server[0]}/auth/me", headers={"Authorization": f"Bearer {one}"}
    )
    assert answer.status_code == 200, answer.text


async def test_so_it_is_for_a_logout(
    fuzz: Fuzz, make_tenant: MakeTenant, token_for: TokenFor
) -> None:
    token = token_for(await make_tenant(), exp=FAR_AWAY)
    assert await fuzz(CONFIGURATION, f"--include-operation-id={LOGOUT}", bearer(token), *BRIEFLY)


def write_header(scheme: bytes, token: bytes) -> tuple[str, bytes]:
    """Return a header Authorization, without what HTTP allows in none."""
    allowed = bytes(byte for byte in token if byte >= 0x20 and byte != 0x7F)
    return "Authorization", (scheme + allowed).strip()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_forged_token_gets_in(
    server: tuple[str, Path], provider: LocalProvider, data: st.DataObject
) -> None:
    """Over HTTP; `test_identity_tokens.py` does the same with the verifier alone."""
    good = st.just(provider.token(scopes=["admin"]).encode())
    schemes = st.sampled_from([b"Bearer ", b"bearer  ", b"Bearer", b"Bearer\t", b"Basic ", b""])
    forged = st.builds(write_header, schemes, forgeries(provider))
    # A good token beside another header is refused too: a proxy may have looked at that one.
    beside = st.tuples(st.builds(write_header, st.just(b"Bearer "), good), forged)
    headers = data.draw(st.lists(forged, min_size=1, max_size=3) | beside.flatmap(st.permutations))

    with httpx2.Client(timeout=60) as client:
        answer = client.get(f"{server[0]}/tenants", headers=list(headers))

    assert answer.status_code == 401, answer.text
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def bearer(token: str) -> str:
    """Return the option with which Schemathesis sends a token along."""
    return f"--header=Authorization: Bearer {token}"


def in_header(name: str, token: str) -> dict[str, Any]:
    """Return how a caller is known, as Web Fuzzing Commons describes it."""
    header = {"name": "Authorization", "value": f"Bearer {token}"}
    return {"name": name, "fixedHeaders": [header]}
