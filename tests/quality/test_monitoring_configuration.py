"""The monitoring stack's files, read by the programs that they are for: all but Tempo and Grafana, which cannot be built here."""

import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.dashboards import dashboards, panel_questions
from support.ports import free_ports
from support.tools import pinned_versions, tool

LOKI_PATIENCE = 60


@pytest.fixture(scope="module")
def stack(rendered: Callable[..., Path]) -> Path:
    return rendered(include_observability=True) / "observability"


def succeeds(*command: object) -> bool:
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    print(result.stdout, result.stderr)
    return result.returncode == 0


def test_promtool_accepts_prometheus_configuration(stack: Path, tmp_path: Path) -> None:
    promtool, configuration = tool("promtool"), stack / "prometheus/prometheus.yml"
    broken = tmp_path / "broken.yml"
    broken.write_text(configuration.read_text().replace("scrape_interval", "scrape_intervall"))
    assert succeeds(promtool, "check", "config", configuration)
    assert not succeeds(promtool, "check", "config", broken)


def test_loki_accepts_its_configuration(stack: Path, tmp_path: Path) -> None:
    loki, configuration = tool("loki"), stack / "loki.yml"
    broken = tmp_path / "broken.yml"
    broken.write_text(configuration.read_text().replace("schema: v13", "schema: v99"))
    assert succeeds(loki, f"-config.file={configuration}", "-verify-config")
    assert not succeeds(loki, f"-config.file={broken}", "-verify-config")


def test_alloy_parses_its_configuration(stack: Path, tmp_path: Path) -> None:
    alloy, configuration = tool("alloy-syntax"), stack / "config.alloy"
    broken = tmp_path / "broken.alloy"
    broken.write_text(configuration.read_text().rstrip().removesuffix("}"))
    assert succeeds(alloy, configuration)
    assert not succeeds(alloy, broken)


def test_alloy_names_only_components_that_it_declares(stack: Path) -> None:
    text = (stack / "config.alloy").read_text()
    declared = {f"{kind}.{label}" for kind, label in re.findall(r'^([\w.]+) "(\w+)" \{', text, flags=re.MULTILINE)}
    used = set(re.findall(r"\b((?:discovery|loki|otelcol)\.[\w.]+)\.(?:targets|output|receiver|input)\b", text))
    assert used
    assert used <= declared


def test_loki_understands_what_panels_ask_it(stack: Path, tmp_path: Path) -> None:
    questions = [question.expression for question in panel_questions(stack.parent) if question.source == "loki"]
    assert questions
    with running_loki(tool("loki"), stack / "loki.yml", tmp_path) as ask:
        assert [ask(question) for question in questions] == [200] * len(questions)
        assert ask('{service="backend"') == 400


@contextmanager
def running_loki(program: str, configuration: Path, folder: Path) -> Iterator[Callable[[str], int]]:
    """Run Loki with the project's configuration in a folder of the test's; yields what asks it and returns the status."""
    (port,) = free_ports(1)
    own = folder / "loki.yml"
    own.write_text(configuration.read_text().replace("/loki", str(folder / "data")).replace("3100", str(port)))

    def status(path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    options = ["-server.grpc-listen-port=0", "-server.http-listen-address=127.0.0.1"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, f"-config.file={own}", *options], stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + LOKI_PATIENCE
        while status("/ready") != 200:
            assert time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
            time.sleep(0.5)
        yield lambda query: status("/loki/api/v1/query_range?" + urllib.parse.urlencode({"query": query}))
    finally:
        process.terminate()
        process.wait(LOKI_PATIENCE)


def test_dashboards_are_complete_and_nothing_overlaps(stack: Path) -> None:
    provisioned = yaml.safe_load((stack / "grafana/provisioning.yml").read_text())
    sources = {source["uid"]: source["type"] for source in provisioned["datasources"]}
    found = dict(dashboards(stack.parent))
    uids = [dashboard["uid"] for dashboard in found.values()]
    assert len(set(uids)) == len(uids) >= 2
    for path, dashboard in found.items():
        panels = dashboard["panels"]
        assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1)), path.name
        assert all(link["url"].removeprefix("/d/") in uids for link in dashboard["links"])
        for panel in panels:
            assert panel["title"]
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]
            for target in panel.get("targets", []):
                assert sources[target["datasource"]["uid"]] == target["datasource"]["type"]
            references = [target["refId"] for target in panel.get("targets", [])]
            assert len(set(references)) == len(references)
        for one, other in combinations(panels, 2):
            assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
        assert all(above["gridPos"]["y"] <= below["gridPos"]["y"] for above, below in pairwise(panels))


def test_grafana_is_given_what_it_reads(stack: Path) -> None:
    """One file in two folders of Grafana's: it takes data sources from the one, and from the other where dashboards are."""
    compose = yaml.safe_load((stack / "compose.yml").read_text())
    mounted = dict(reversed(volume.split(":")[:2]) for volume in compose["services"]["grafana"]["volumes"])
    given = yaml.safe_load((stack / "grafana/provisioning.yml").read_text())
    for folder, key in {"datasources": "datasources", "dashboards": "providers"}.items():
        assert mounted[f"/etc/grafana/provisioning/{folder}/provisioning.yml"] == "./grafana/provisioning.yml"
        assert given[key]
    assert mounted[given["providers"][0]["options"]["path"]] == "./grafana/dashboards"


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_the_stack_is_pinned_checked_and_private(stack: Path) -> None:
    services: dict[str, Any] = yaml.safe_load((stack / "compose.yml").read_text())["services"]
    for name, service in services.items():
        assert re.search(r":v?\d+(\.\d+)*(-alpine)?$", service["image"]), service["image"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert not source.startswith("./") or (stack / source).exists(), volume
        ends = any(
            other.get("depends_on", {}).get(name, {}).get("condition") == "service_completed_successfully"
            for other in services.values()
        )
        assert ends or "healthcheck" in service, name


def test_every_job_of_prometheus_is_a_service_of_the_stack(stack: Path) -> None:
    services = {*yaml.safe_load((stack / "compose.yml").read_text())["services"], "backend", "localhost"}
    jobs = yaml.safe_load((stack / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = [target for job in jobs for config in job["static_configs"] for target in config["targets"]]
    assert {target.partition(":")[0] for target in targets} <= services


def test_what_is_tested_is_what_the_stack_starts(stack: Path) -> None:
    services: dict[str, Any] = yaml.safe_load((stack / "compose.yml").read_text())["services"]
    images = {name: services[name]["image"].rpartition(":")[2].removeprefix("v").removesuffix("-alpine") for name in services}
    versions = pinned_versions()
    assert images["postgres-exporter"] == versions["postgres_exporter"]
    assert images["redis-exporter"] == versions["redis_exporter"]
    assert images["loki"] == versions["loki"]
    # Prometheus's Go module has been 0.3xx.y since its release 3.xx.y.
    assert images["prometheus"] == re.sub(r"^0\.3(\d\d)", r"3.\1", versions["prometheus"])
