"""`.env.example` lists every setting, and nothing else."""

from io import StringIO
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from app.core.settings import EnvironmentSettings, MigrationSettings
from app.features import load_features
from app.identity.settings import IdentitySettings

EXAMPLE: Final = Path(__file__).parents[3] / ".env.example"
#: Read by others: the Makefile's servers, Docker Compose, and prometheus_client.
ELSEWHERE: Final = frozenset(
    {
        "BACKEND_PORT",
        "FRONTEND_PORT",
        "KEYCLOAK_ADMIN_PASSWORD",
        "KEYCLOAK_PORT",
        "POSTGRES_SUPERUSER_PASSWORD",
        "PROMETHEUS_MULTIPROC_DIR",
        "REDIS_PORT",
    }
)


def example() -> dict[str, str | None]:
    """The file's variables: the lines that are commented out, without their mark."""
    lines = EXAMPLE.read_text().splitlines()
    assignments = [line[2:] for line in lines if line[2:].partition("=")[0].isupper()]
    assert all(line.startswith("# ") for line in lines if line), "an uncommented line"
    return dotenv_values(stream=StringIO("\n".join(assignments)))


def test_it_lists_every_setting_and_nothing_else() -> None:
    load_features()
    assert {MigrationSettings, IdentitySettings} <= set(EnvironmentSettings.known)
    fields = {name.upper() for kind in EnvironmentSettings.known for name in kind.model_fields}
    assert set(example()) - ELSEWHERE == fields


def test_its_values_are_the_defaults() -> None:
    load_features()
    values = {name.lower(): value for name, value in example().items() if value}
    for kind in EnvironmentSettings.known:
        if kind.__module__.startswith("app."):
            given = {name: value for name, value in values.items() if name in kind.model_fields}
            assert kind(**given) == kind.model_construct(), kind.__name__
