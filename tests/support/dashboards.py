"""What dashboards and rules ask for."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Question:
    """An expression, and where it stands."""

    place: str
    source: str
    expression: str


def dashboards(project: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every dashboard of a project."""
    for path in sorted((project / "observability/grafana/dashboards").glob("*.json")):
        yield path, json.loads(path.read_text(encoding="utf-8"))


def panel_questions(project: Path) -> list[Question]:
    """What every panel of every dashboard asks its data source."""
    return [
        Question(f"{path.name}: {panel['title']}", target["datasource"]["uid"], target["expr"])
        for path, dashboard in dashboards(project)
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]


def rule_questions(project: Path) -> list[Question]:
    """What every recording and alerting rule asks Prometheus."""
    return [
        Question(f"{path.name}: {rule.get('alert') or rule['record']}", "prometheus", rule["expr"])
        for path in sorted((project / "observability/prometheus").glob("*.yml"))
        for group in (yaml.safe_load(path.read_text(encoding="utf-8")).get("groups") or [])
        for rule in group["rules"]
    ]


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that runs."""

    address: str

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of its HTTP API."""
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - a server of the test's own
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[Any]:
        """Return the series that an expression has now."""
        result: list[Any] = self.ask("query", query=for_tests(expression))["result"]
        return result

    def metrics(self) -> set[str]:
        """Return the name of every metric that has been scraped."""
        return set(self.ask("label/__name__/values"))

    def metrics_of(self, expression: str) -> set[str]:
        """Return the metrics that an expression names, by Prometheus's own parser."""
        return set(selected(self.ask("parse_query", query=for_tests(expression))))


def for_tests(expression: str) -> str:
    """Return an expression with a value for the variable that Grafana fills in."""
    return expression.replace("$__rate_interval", "10s")


def selected(node: Any) -> Iterator[str]:
    """Yield the name in every selector of a parsed expression."""
    if isinstance(node, dict):
        if node.get("type") in {"vectorSelector", "matrixSelector"}:
            yield node["name"]
        for child in node.values():
            yield from selected(child)
    elif isinstance(node, list):
        for child in node:
            yield from selected(child)
