"""Settings: read from the environment and `.env`, and checked before anything is served."""

import os
from functools import cache
from typing import ClassVar, Final, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import URL

from app import project
from app.core.setting_types import Network, Origin, SettingList, asyncpg_url

Environment = Literal["development", "test", "staging", "production"]
PROTECTED: Final = frozenset({"staging", "production"})
DEVELOPMENT_MARK: Final = "-development"
"""Every secret that this project ships with ends so; none is accepted where people's data is."""


class SettingsError(SystemExit):
    """Settings that cannot be used, one line for each variable.

    As a `SystemExit` it ends any program with these lines, exit status 1 and no traceback.
    """


class EnvironmentSettings(BaseSettings):
    """Base of every class of settings, a feature's included.

    A subclass is known to `check_settings` from its definition on. Variables are named like the
    fields, in capitals.
    """

    model_config = SettingsConfigDict(
        env_file=("../.env", ".env"), env_ignore_empty=True, extra="ignore", frozen=True
    )
    known: ClassVar[list[type["EnvironmentSettings"]]] = []

    env: Environment = "development"

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        """Remember the class for `check_settings`."""
        EnvironmentSettings.known.append(cls)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read no `.env` in tests: a developer's file must not decide what they see."""
        del settings_cls, file_secret_settings
        if os.environ.get("ENV") == "test":
            return (init_settings, env_settings)
        return (init_settings, env_settings, dotenv_settings)

    @field_validator("*")
    @classmethod
    def refuse_development_secret(cls, value: object, info: ValidationInfo) -> object:
        """Refuse a secret that this project ships with, outside of development and test."""
        shipped = isinstance(value, SecretStr) and DEVELOPMENT_MARK in value.get_secret_value()
        if shipped and info.data.get("env") in PROTECTED:
            raise ValueError(
                f"holds a development secret, and ENV is {info.data['env']}. Set one of your own."
            )
        return value

    @property
    def is_protected(self) -> bool:
        """Whether real people's data is at stake: staging and production."""
        return self.env in PROTECTED


class DatabaseSettings(EnvironmentSettings):
    """Where the database is."""

    postgres_host: str = "localhost"
    postgres_port: int = Field(project.POSTGRES_PORT, ge=1, le=65535)
    postgres_db: str = project.DATABASE

    def url_for(self, user: str, password: SecretStr, whole: SecretStr | None) -> URL:
        """Return the database's URL for a role, or a whole URL that was given instead."""
        if whole is not None:
            return asyncpg_url(whole.get_secret_value())
        return URL.create(
            "postgresql+asyncpg",
            user,
            password.get_secret_value(),
            self.postgres_host,
            self.postgres_port,
            self.postgres_db,
        )


class Settings(DatabaseSettings):
    """What the core reads."""

    project_name: str = project.NAME
    api_prefix: str = project.API_PREFIX
    docs_enabled: bool | None = None
    max_body_bytes: int = Field(1024 * 1024, ge=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_format: Literal["auto", "json", "console"] = "auto"
    public_url: Origin = f"http://localhost:{project.FRONTEND_PORT}"
    cors_origins: SettingList[Origin] = []
    trusted_proxies: SettingList[Network] = ["127.0.0.1", "::1"]

    app_db_user: str = f"{project.DATABASE}_app"
    app_db_password: SecretStr = SecretStr("app-development")
    database_url: SecretStr | None = None
    db_pool_size: int = Field(10, ge=1)
    db_max_overflow: int = Field(10, ge=0)
    db_pool_timeout: float = Field(2, gt=0, description="seconds")
    db_statement_timeout_ms: int = Field(15_000, ge=0)

    redis_url: SecretStr = SecretStr(f"redis://localhost:{project.REDIS_PORT}/0")
    redis_timeout_seconds: float = Field(0.5, gt=0)

    @property
    def docs_are_served(self) -> bool:
        """Whether the API's documentation pages are served; by default not in production."""
        return self.env != "production" if self.docs_enabled is None else self.docs_enabled

    @property
    def logs_are_json(self) -> bool:
        """Whether log lines are JSON; by default wherever a machine reads them."""
        return self.log_format == "json" or (self.log_format == "auto" and self.is_protected)

    def app_database_url(self) -> URL:
        """Return where, and as whom, the application reaches its database."""
        return self.url_for(self.app_db_user, self.app_db_password, self.database_url)


class MigrationSettings(DatabaseSettings):
    """What migrations read: the owner's credentials, which a serving process never needs."""

    postgres_user: str = f"{project.DATABASE}_owner"
    postgres_password: SecretStr = SecretStr("owner-development")
    migration_database_url: SecretStr | None = None

    def owner_database_url(self) -> URL:
        """Return where, and as whom, migrations reach the database."""
        return self.url_for(self.postgres_user, self.postgres_password, self.migration_database_url)


AnySettings = TypeVar("AnySettings", bound=EnvironmentSettings)


def load_settings(kind: type[AnySettings]) -> AnySettings:
    """Read one class of settings.

    Raises:
        SettingsError: one line for each variable that cannot be used.
    """
    try:
        return kind()
    except ValidationError as error:
        raise SettingsError("\n".join(describe(error))) from None


def check_settings() -> None:
    """Read every class of settings that a serving process uses, and report all faults at once.

    Raises:
        SettingsError: one line for each variable that cannot be used.
    """
    faults: dict[str, None] = {}
    for kind in EnvironmentSettings.known:
        if kind is MigrationSettings:
            continue
        try:
            kind()
        except ValidationError as error:
            faults |= dict.fromkeys(describe(error))
    if faults:
        raise SettingsError("\n".join(faults))


def describe(error: ValidationError) -> list[str]:
    """Return a line per variable: its name and what is wrong. Its value may be a secret."""
    return [
        f"{'.'.join(str(part) for part in fault['loc']).upper() or error.title}: "
        f"{fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors(include_url=False, include_input=False)
    ]


@cache
def get_settings() -> Settings:
    """Return the core's settings, read once."""
    return load_settings(Settings)
