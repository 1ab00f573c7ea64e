"""A server with several workers: its metrics are those of all of them."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx2

from tests.observability_server import sample, scrape, serve, wait_for


def test_the_numbers_of_all_workers_add_up_and_survive_a_worker(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    with serve(tmp_path / "log", workers=2, PROMETHEUS_MULTIPROC_DIR=str(folder)) as address:
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: ask(address, 0.05), range(120)))
        workers = set(answers)
        assert len(workers) > 1, "one worker has served everything, so nothing is shown"
        assert {served(address) for _ in range(10)} == {120.0}, "each worker tells of all"

        victim = answers[0]
        busy = threading.Thread(target=ask_in_vain, args=(f"{address}/slow/60",), daemon=True)
        busy.start()
        wait_for(lambda: sample(scrape(address), "http_requests_in_progress") == 1)
        for worker in workers - {victim}:
            os.kill(worker, signal.SIGKILL)
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: sample(scrape(address), "db_pool_size") == 20)

        assert served(address) == 120, "what dead workers have counted stays counted"
        assert sample(scrape(address), "http_requests_in_progress") == 0
        (server,) = folder.iterdir()

    with serve(tmp_path / "log", PROMETHEUS_MULTIPROC_DIR=str(folder)) as address:
        assert served(address) is None, "a new server begins at zero"
        assert not server.exists()


def test_a_crash_in_any_worker_is_counted(tmp_path: Path) -> None:
    with serve(tmp_path / "log", workers=2) as address:
        statuses = [httpx2.get(f"{address}/crash").status_code for _ in range(20)]
        crashes = sample(scrape(address), "http_requests_total", route="/crash", status="500")

    assert statuses == [500] * 20
    assert crashes == 20


def ask(address: str, seconds: float) -> int:
    """Have a worker be busy; returns which one it was."""
    return int(httpx2.get(f"{address}/slow/{seconds}").raise_for_status().text)


def ask_in_vain(url: str) -> None:
    with suppress(httpx2.TransportError):
        httpx2.get(url, timeout=60)


def served(address: str) -> float | None:
    return sample(scrape(address), "http_requests_total", route="/slow/{seconds}", status="200")
