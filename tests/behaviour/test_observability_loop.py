"""The closed loop: whatever a dashboard or a rule asks for is exported by something that the stack starts.

Everything runs for real, on free ports: PostgreSQL, Redis, the application with two workers, both exporters in the versions of
the Compose file, and a Prometheus with the project's own configuration.
"""

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.dashboards import Prometheus, Question, panel_questions, rule_questions
from support.ports import free_ports
from support.projects import Project, clean_environment
from support.tools import tool

PATIENCE = 60.0
SERVERS = """
import json, os, sys
from alembic import command
from alembic.config import Config
from dev.postgres import psql
from tests.servers import start_servers

with start_servers() as servers:
    os.environ.update(servers.environment())
    command.upgrade(Config(toml_file="pyproject.toml"), "heads")
    psql(servers.administrator, "--set=password=monitor-test", f"--file={sys.argv[1]}")
    print("READY" + json.dumps(servers.environment()), flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def project(workshop: Callable[..., Project]) -> Project:
    return workshop(include_observability=True)


@pytest.fixture(scope="module")
def prometheus(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """The stack, under load, and the Prometheus that watches it."""
    folder = tmp_path_factory.mktemp("stack")
    programs = {name: tool(name) for name in ("postgres_exporter", "redis_exporter", "prometheus")}
    names = ("backend", "postgres", "redis", "prometheus")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    backend, python = project.path / "backend", str(project.path / "backend/.venv/bin/python")
    with ExitStack() as stack:
        variables = stack.enter_context(servers(python, backend, write_monitor_role(project.path, folder)))

        def run(*command: str, **more: str) -> None:
            stack.enter_context(running(folder, backend, command, variables | more))

        port = ["--port", str(ports["backend"]), "--workers", "2"]
        run(python, "-m", "uvicorn", "--factory", "tests.observability_server:create_app", *port)
        run(
            programs["postgres_exporter"],
            f"--web.listen-address=127.0.0.1:{ports['postgres']}",
            DATA_SOURCE_URI=f"{variables['POSTGRES_HOST']}:{variables['POSTGRES_PORT']}/postgres?sslmode=disable",
            DATA_SOURCE_USER="monitor",
            DATA_SOURCE_PASS="monitor-test",
        )
        redis = f"127.0.0.1:{ports['redis']}"
        run(programs["redis_exporter"], f"--web.listen-address={redis}", REDIS_ADDR=variables["REDIS_URL"])
        configuration = write_configuration(project.path, folder, ports)
        listen = f"--web.listen-address=127.0.0.1:{ports['prometheus']}"
        run(programs["prometheus"], f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'tsdb'}", listen)
        stack.enter_context(load(f"http://127.0.0.1:{ports['backend']}"))
        prometheus = Prometheus(f"http://127.0.0.1:{ports['prometheus']}")
        wait_for(lambda: len(prometheus.query("up == 1")) == len(ports), folder)
        yield prometheus


def test_every_metric_that_a_dashboard_or_a_rule_names_is_exported(project: Project, prometheus: Prometheus) -> None:
    questions = [q for q in panel_questions(project.path) + rule_questions(project.path) if q.source == "prometheus"]
    assert len(questions) > 30
    # The application exports what it counts once there was something to count.
    with suppress(TimeoutError):
        wait_for(lambda: not missing(prometheus, questions))
    assert missing(prometheus, questions) == {}


def test_every_panel_shows_something(project: Project, prometheus: Prometheus) -> None:
    """Right names are not enough: labels that do not match, or a ratio of series that never meet, show nothing."""
    questions = [question for question in panel_questions(project.path) if question.source == "prometheus"]
    with suppress(TimeoutError):
        wait_for(lambda: not still_empty(prometheus, questions))
    assert still_empty(prometheus, questions) == []


def test_a_metric_that_nothing_exports_is_found(prometheus: Prometheus) -> None:
    invented = Question("invented", "prometheus", "sum(rate(http_request_total[5m])) / up > on() absent_metric")
    assert missing(prometheus, [invented]) == {"invented": {"http_request_total", "absent_metric"}}
    mismatched = Question("mismatched", "prometheus", "pg_stat_activity_count >= pg_settings_max_connections * 0")
    assert still_empty(prometheus, [mismatched]) == [mismatched]


def missing(prometheus: Prometheus, questions: list[Question]) -> dict[str, set[str]]:
    """Return, for each question that names metrics which nothing exports, those metrics."""
    exported = prometheus.metrics()
    asked = {question.place: prometheus.metrics_of(question.expression) for question in questions}
    return {place: names - exported for place, names in asked.items() if names - exported}


def still_empty(prometheus: Prometheus, questions: list[Question]) -> list[Question]:
    return [question for question in questions if not prometheus.query(question.expression)]


def write_configuration(project: Path, folder: Path, ports: dict[str, int]) -> Path:
    """Write the project's configuration of Prometheus with other addresses, and a shorter interval."""
    configuration: dict[str, Any] = yaml.safe_load((project / "observability/prometheus/prometheus.yml").read_text())
    configuration["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
    for name, port in ports.items():
        jobs[name]["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    configuration["scrape_configs"] = [jobs[name] for name in ports]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(configuration))
    return path


def write_monitor_role(project: Path, folder: Path) -> Path:
    """Write the statements that make the exporter's role, as Compose does for the stack."""
    stack: dict[str, Any] = yaml.safe_load((project / "observability/compose.yml").read_text())
    path = folder / "monitor-role.sql"
    path.write_text(stack["configs"][path.name]["content"])
    return path


@contextmanager
def servers(python: str, backend: Path, monitor_role: Path) -> Iterator[dict[str, str]]:
    """Start the project's own test servers, and make the exporter's role as the stack does; yields the settings."""
    environment = clean_environment() | {"ENV": "test"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([python, "-c", SERVERS, str(monitor_role)], cwd=backend, env=environment, **pipes) as process:
        assert process.stdin
        assert process.stdout
        ready = next((line for line in process.stdout if line.startswith("READY")), None)
        assert ready, "the servers did not start; their error output says why"
        yield environment | json.loads(ready.removeprefix("READY"))
        process.stdin.close()


@contextmanager
def running(folder: Path, directory: Path, command: tuple[str, ...], environment: dict[str, str]) -> Iterator[None]:
    """Run a program until the block ends; its output is kept in the folder."""
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


@contextmanager
def load(address: str) -> Iterator[None]:
    """Send requests of every kind until the block ends: that succeed, that fail, that crash."""
    end = threading.Event()

    def send() -> None:
        while not end.wait(0.05):
            for path in ("/api/v1/health/ready", "/api/v1/todos", "/slow/0.01", "/crash", "/nowhere"):
                with suppress(OSError, urllib.error.HTTPError):
                    urllib.request.urlopen(address + path, timeout=60).close()  # noqa: S310

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def wait_for(condition: Any, logs: Path | None = None) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError):
            if condition():
                return
        time.sleep(0.5)
    for log in sorted(logs.glob("*.log")) if logs else ():
        print(f"--- {log.name}\n{log.read_text()[-3000:]}", file=sys.stderr)
    raise TimeoutError
