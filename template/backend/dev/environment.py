"""What the parts of the stack are told: the real ports and addresses, as environment variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from app import project
from app.core.settings import MigrationSettings, Settings, load_settings
from app.identity.settings import IdentitySettings
from dev.console import DevError
from dev.ports import LOOPBACK, Ports
from dev.postgres import Roles

ROOT: Final = Path(__file__).parents[2]
ALLOWED: Final = ("development", "test")
#: A part for which its variable holds an address is used there, and not started here.
ELSEWHERE: Final = {"postgres": "DATABASE_URL", "redis": "REDIS_URL", "provider": "OIDC_ISSUER"}
DEFAULT_PORTS: Final = {
    "backend": ("BACKEND_PORT", project.BACKEND_PORT),
    "frontend": ("FRONTEND_PORT", project.FRONTEND_PORT),
    "provider": ("KEYCLOAK_PORT", project.KEYCLOAK_PORT),
    "postgres": ("POSTGRES_PORT", project.POSTGRES_PORT),
    "redis": ("REDIS_PORT", project.REDIS_PORT),
}


def set_by_hand() -> dict[str, str]:
    """Return the variables of the environment and of .env, as the application reads them."""
    in_test = os.environ.get("ENV") == "test"  # app.core.settings reads no .env then
    file = {} if in_test else dotenv_values(ROOT / ".env")
    return {name: value for name, value in {**file, **os.environ}.items() if value}


def refuse_protected(given: Mapping[str, str]) -> None:
    """Refuse to start servers where people's data may be.

    Raises:
        DevError: the variables name an environment that is not for development.
    """
    if given.get("ENV", "development") not in ALLOWED:
        raise DevError(
            f"ENV is {given['ENV']}. Servers are started here for development alone; unset ENV."
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each part listens, and what all of them are told."""

    ports: Mapping[str, int]
    variables: Mapping[str, str]
    page: str
    api: str
    issuer: str

    def starts(self, part: str) -> bool:
        """Tell whether a part is started here."""
        return part in self.ports


def make_plan(given: Mapping[str, str], ports: Ports, *, frontend: bool) -> Plan:
    """Choose the ports and derive the addresses.

    Args:
        given: see `set_by_hand`.
        ports: chooses.
        frontend: whether the page is served.
    """
    absent = {part for part, variable in ELSEWHERE.items() if given.get(variable)}
    chosen = {
        part: ports.choose(variable, default)
        for part, (variable, default) in DEFAULT_PORTS.items()
        if part not in absent and (frontend or part != "frontend")
    }
    settings = load_settings(Settings)
    api = _localhost(chosen["backend"])
    page = given.get("PUBLIC_URL") or _localhost(chosen.get("frontend", chosen["backend"]))
    issuer = given.get("OIDC_ISSUER") or f"{_localhost(chosen['provider'])}/realms/{project.SLUG}"
    variables = {
        "ENV": given.get("ENV", "development"),
        "PUBLIC_URL": page,
        "OIDC_ISSUER": issuer,
        **{DEFAULT_PORTS[part][0]: str(port) for part, port in chosen.items()},
    }
    if "postgres" in chosen:
        variables["POSTGRES_HOST"] = LOOPBACK
    if "redis" in chosen:
        variables["REDIS_URL"] = f"redis://{LOOPBACK}:{chosen['redis']}/0"
    return Plan(chosen, {**os.environ, **variables}, page, f"{api}{settings.api_prefix}", issuer)


def _localhost(port: int) -> str:
    return f"http://localhost:{port}"


def database_roles() -> Roles:
    """Return the database and the roles that the application expects."""
    app, owner = load_settings(Settings), load_settings(MigrationSettings)
    return Roles(
        database=app.postgres_db,
        owner=owner.postgres_user,
        owner_password=owner.postgres_password.get_secret_value(),
        app=app.app_db_user,
        app_password=app.app_db_password.get_secret_value(),
    )


def provider_variables(plan: Plan, state: Path) -> dict[str, str]:
    """Return what keycloak/dev-provider.mjs reads."""
    identity = load_settings(IdentitySettings)
    return {
        **plan.variables,
        "FRONTEND_URL": plan.page,
        "API_PREFIX": load_settings(Settings).api_prefix,
        "OIDC_BACKEND_CLIENT_SECRET": identity.oidc_backend_client_secret.get_secret_value(),
        "PROVIDER_STATE": str(state),
    }
