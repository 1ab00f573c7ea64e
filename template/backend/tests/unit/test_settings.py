import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Final

import pytest
from dotenv import dotenv_values

from app import features
from app.core.settings import (
    EnvironmentSettings,
    MigrationSettings,
    Settings,
    SettingsError,
    check_settings,
    load_settings,
)
from app.identity.settings import IdentitySettings

BACKEND = Path(__file__).parents[2]
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


@pytest.mark.parametrize(
    "text", ["http://a.test,http://b.test:81", '["http://a.test", "http://b.test:81/"]']
)
def test_a_list_is_given_as_json_or_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", text)

    assert load_settings(Settings).cors_origins == ["http://a.test", "http://b.test:81"]


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("CORS_ORIGINS", "*", "'*' is not an origin"),
        ("CORS_ORIGINS", "https://a.test/path", "is not an origin"),
        ("CORS_ORIGINS", '["http://a.test"', "is not valid JSON"),
        ("TRUSTED_PROXIES", "10.0.0.0/33", "is no IP address or network"),
        ("DB_POOL_SIZE", "many", "valid integer"),
        ("POSTGRES_PORT", "70000", "less than or equal to 65535"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO'"),
    ],
)
def test_a_bad_value_is_named_and_said_what_is_wrong_with(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, fault: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as raised:
        load_settings(Settings)

    (line,) = str(raised.value).splitlines()
    assert line.startswith(name)
    assert fault in line


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_development_secrets_are_refused_together(
    monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    for name in ("APP_DB_PASSWORD", "OIDC_BACKEND_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENV", environment)
    monkeypatch.setenv("DB_POOL_SIZE", "0")

    with pytest.raises(SettingsError) as raised:
        check_settings()

    lines = str(raised.value).splitlines()
    named = {line.partition(":")[0] for line in lines}
    assert {"APP_DB_PASSWORD", "OIDC_BACKEND_CLIENT_SECRET", "DB_POOL_SIZE"} <= named
    assert len(lines) == len(named)
    assert "app-development" not in str(raised.value)


def test_a_feature_s_secret_is_checked_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EnvironmentSettings, "known", list(EnvironmentSettings.known))

    class FeatureSettings(EnvironmentSettings):
        feature_key: str | None = None
        feature_required: int

    with pytest.raises(SettingsError, match="FEATURE_REQUIRED: Field required"):
        check_settings()


def test_a_development_secret_inside_a_url_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV", "production")
    monkeypatch.setenv("MIGRATION_DATABASE_URL", "postgresql://o:owner-development@db/app")
    monkeypatch.setenv("POSTGRES_PASSWORD", "a real one")

    with pytest.raises(SettingsError, match="MIGRATION_DATABASE_URL: holds a development secret"):
        load_settings(MigrationSettings)


def test_the_owner_s_password_is_none_of_the_server_s_business(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "owner-development")
    monkeypatch.setenv("ENV", "production")

    with pytest.raises(SettingsError) as raised:
        check_settings()

    assert "POSTGRES_PASSWORD" not in str(raised.value)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_POOL_SIZE", "")

    assert load_settings(Settings).db_pool_size == 10


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_database_url_in_libpq_s_form_becomes_asyncpg_s(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://u:p%40ss@db.test:6543/app?sslmode=require")

    url = load_settings(Settings).app_database_url()

    assert url.drivername == "postgresql+asyncpg"
    assert (url.username, url.password, url.host, url.port) == ("u", "p@ss", "db.test", 6543)
    assert dict(url.query) == {"ssl": "require"}


def test_a_developer_s_env_file_is_read_in_development_and_not_in_tests(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DB_POOL_SIZE=3\nSOMETHING_ELSE=1\n")
    program = "from app.core.settings import get_settings; print(get_settings().db_pool_size)"

    sizes = {
        environment: run(program, tmp_path, ENV=environment).stdout.strip()
        for environment in ("development", "test")
    }

    assert sizes == {"development": "3", "test": "10"}


def test_a_server_that_may_not_start_says_why_and_shows_no_traceback(tmp_path: Path) -> None:
    program = "import uvicorn; uvicorn.run('app.main:create_app', factory=True, port=0)"

    ended = run(program, tmp_path, ENV="production", DB_POOL_TIMEOUT="soon")

    assert ended.returncode == 1
    assert "APP_DB_PASSWORD: holds a development secret, and ENV is production." in ended.stderr
    assert "DB_POOL_TIMEOUT: Input should be a valid number" in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


def run(program: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program with the given settings alone."""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(BACKEND), **environment},
        text=True,
        timeout=60,
    )


def test_a_feature_that_is_absent_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sentry" / "__pycache__").mkdir(parents=True)
    monkeypatch.setattr(features, "__file__", str(tmp_path / "__init__.py"))

    assert features.load_features() == []


def test_every_folder_of_a_feature_is_listed() -> None:
    folders = {path.parent.name for path in Path(features.__file__).parent.glob("*/install.py")}

    assert folders <= set(features.ORDER)


def env_example() -> dict[str, str | None]:
    """The file's variables: the lines that are commented out, without their mark."""
    lines = EXAMPLE.read_text().splitlines()
    assignments = [line[2:] for line in lines if line[2:].partition("=")[0].isupper()]
    assert all(line.startswith("# ") for line in lines if line), "an uncommented line"
    return dotenv_values(stream=StringIO("\n".join(assignments)))


def test_env_example_lists_every_setting_and_nothing_else() -> None:
    features.load_features()
    assert {MigrationSettings, IdentitySettings} <= set(EnvironmentSettings.known)
    fields = {name.upper() for kind in EnvironmentSettings.known for name in kind.model_fields}
    assert set(env_example()) - ELSEWHERE == fields


def test_the_values_of_env_example_are_the_defaults() -> None:
    features.load_features()
    values = {name.lower(): value for name, value in env_example().items() if value}
    for kind in EnvironmentSettings.known:
        if kind.__module__.startswith("app."):
            given = {name: value for name, value in values.items() if name in kind.model_fields}
            assert kind(**given) == kind.model_construct(), kind.__name__
