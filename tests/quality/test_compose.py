"""Docker Compose itself reads the generated files, with and without the services that a feature brings."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.tools import tool

BASE = {"backend", "frontend", "keycloak", "migrate", "postgres", "redis"}
MONITORING = {"alloy", "grafana", "loki", "postgres-exporter", "postgres-monitor-role", "prometheus", "redis-exporter", "tempo"}


def services(project: Path, file: str = "compose.yml") -> set[str] | None:
    """Return the services of a Compose file of a project, or None if Compose refuses it."""
    command = [tool("docker-compose"), "--project-directory", str(project), "--file", str(project / file), "config", "--services"]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    print(result.stderr)
    return set(result.stdout.split()) if result.returncode == 0 else None


@pytest.mark.parametrize(("observability", "expected"), [(True, BASE | MONITORING), (False, BASE)])
def test_compose_accepts_the_project(rendered: Callable[..., Path], observability: bool, expected: set[str]) -> None:
    assert services(rendered(include_observability=observability)) == expected


def test_compose_accepts_the_production_images(rendered: Callable[..., Path]) -> None:
    assert services(rendered(), "compose.images.yml") == BASE


def test_compose_refuses_what_is_broken(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text("services: {web: {image: nginx, depends_on: [nobody]}}\n")
    assert services(tmp_path) is None
