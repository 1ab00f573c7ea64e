"""A team's new dependency is one line, in the tools' own form: whatever else the tools rewrote would conflict in an update."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.projects import clean_environment
from support.releases import git, start_repository
from support.rendering import REPOSITORY, render

UV = str(REPOSITORY / ".venv/bin/uv")
ADDITIONS = {
    "to the dependencies": ("backend", [UV, "add", "--frozen", "--quiet", "rich>=15"]),
    "to a feature's extra": ("backend", [UV, "add", "--frozen", "--quiet", "--optional=observability", "statsd>=4"]),
    "to the development group": ("backend", [UV, "add", "--frozen", "--quiet", "--dev", "freezegun>=1"]),
    "to the page": ("frontend", ["npm", "pkg", "set", "dependencies.zod=^4.0.0"]),
    "to the development provider": ("keycloak", ["npm", "pkg", "set", "devDependencies.pino=^10.0.0"]),
}


@pytest.mark.parametrize(("folder", "command"), ADDITIONS.values(), ids=list(ADDITIONS))
def test_a_dependency_is_added(folder: str, command: list[str], rendered: Callable[..., Path], tmp_path: Path) -> None:
    project = tmp_path / "project"
    subprocess.run(["cp", "--archive", str(rendered()), str(project)], check=True)
    start_repository(project)
    subprocess.run(command, cwd=project / folder, env=clean_environment(), check=True, capture_output=True)
    changed = [line.split("\t") for line in git(project, "diff", "--numstat").splitlines()]
    # npm writes a comma behind the line before when the new one comes last.
    assert [(path.split("/")[0], int(removed) <= 1, int(added) - int(removed)) for added, removed, path in changed] == [
        (folder, True, 1)
    ]


def test_a_list_in_another_form_is_found(template: Path, tmp_path: Path) -> None:
    """The form matters: uv rewrites a list with blank lines in it."""
    project = render(template, tmp_path / "project")
    manifest = project / "backend/pyproject.toml"
    manifest.write_text(
        manifest.read_text().replace('    "asyncpg', '\n    # drivers\n    "asyncpg', 1).replace('",\n]', '" ,\n]', 1)
    )
    start_repository(project)
    subprocess.run([UV, "add", "--frozen", "--quiet", "rich>=15"], cwd=manifest.parent, env=clean_environment(), check=True)
    added, removed, _ = git(project, "diff", "--numstat").split("\t")
    assert (int(added), int(removed)) != (1, 0)
