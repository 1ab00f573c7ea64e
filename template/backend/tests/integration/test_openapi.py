from typing import Any

import pytest
from fastapi import FastAPI

from tests.conftest import Client, MakeApp, client_of

PAGES = ("/docs", "/redoc", "/openapi.json")


def operations(app: FastAPI) -> list[tuple[str, dict[str, Any]]]:
    """Return every operation with its name."""
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]


async def test_every_operation_is_described(app: FastAPI) -> None:
    for name, operation in operations(app):
        assert operation.get("tags"), name
        assert operation.get("summary"), name
        assert operation.get("description"), name


async def test_operations_have_short_names_of_their_own(app: FastAPI) -> None:
    names = [operation["operationId"] for _, operation in operations(app)]

    assert len(names) == len(set(names))
    assert all(name.isidentifier() and len(name) < 40 for name in names)


async def test_errors_are_described_as_they_are_sent(app: FastAPI) -> None:
    schema = app.openapi()

    for name, operation in operations(app):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], (name, status)
    assert {"Problem", "FieldError"} <= set(schema["components"]["schemas"])
    assert "HTTPValidationError" not in schema["components"]["schemas"]


async def test_every_tag_in_use_but_the_team_s_own_is_explained(app: FastAPI) -> None:
    explained = {tag["name"] for tag in app.openapi()["tags"]}
    used = {tag for _, operation in operations(app) for tag in operation["tags"]}

    assert explained <= used
    assert {"health", "auth", "tenant", "tenants", "users"} <= explained


async def test_the_pages_are_served(client: Client) -> None:
    assert [(await client.get(page)).status_code for page in PAGES] == [200] * 3


@pytest.mark.parametrize(("enabled", "status"), [("", 404), ("true", 200), ("false", 404)])
async def test_production_serves_them_only_when_told_to(
    make_app: MakeApp, enabled: str, status: int
) -> None:
    secrets = {"oidc_backend_client_secret": "s" * 40, "docs_enabled": enabled}
    async with make_app(env="production", **secrets) as app, client_of(app) as client:
        statuses = [(await client.get(page)).status_code for page in PAGES]

    assert statuses == [status] * 3
