"""Every route is described, and none is open by mistake."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from app.features import load_features
from app.identity.authentication import AccessTokenScheme
from app.identity.dependencies import ScopeRequirement, require
from app.identity.scopes import ANY_CALLER, PUBLIC_ROUTES
from tests.conftest import Client, MakeApp, client_of


def calls_of(dependant: Dependant) -> Iterator[object]:
    """Return every dependency of a route, also those of its routers."""
    yield dependant.call
    for inner in dependant.dependencies:
        yield from calls_of(inner)


def names_of(app: FastAPI, route: RouteContext) -> set[str]:
    path = (route.path or "").removeprefix(app.state.settings.api_prefix)
    return {f"{method} {path}" for method in (route.methods or {"*"}) - {"HEAD"}}


def unprotected(app: FastAPI) -> dict[str, str]:
    """Return what each route lacks that it needs: a scope, or a token."""
    public = PUBLIC_ROUTES.union(
        *(getattr(feature, "PUBLIC_ROUTES", ()) for feature in load_features())
    )
    faults: dict[str, str] = {}
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        calls = list(calls_of(dependant)) if dependant is not None else []
        for name in names_of(app, route) - public:
            if name in ANY_CALLER:
                if not any(isinstance(call, AccessTokenScheme) for call in calls):
                    faults[name] = "needs a token and does not ask for one"
            elif not any(isinstance(call, ScopeRequirement) for call in calls):
                faults[name] = "declares no scope and is not on the public list"
    return faults


def test_every_route_needs_a_scope_or_is_known_to_be_public(app: FastAPI) -> None:
    assert unprotected(app) == {}


def test_the_lists_name_no_route_that_is_gone(app: FastAPI) -> None:
    served = set().union(*(names_of(app, route) for route in iter_route_contexts(app.routes)))
    assert served >= PUBLIC_ROUTES | ANY_CALLER


def test_a_route_that_forgets_its_scope_is_found() -> None:
    from app.main import create_app  # noqa: PLC0415

    app = create_app()
    prefix = app.state.settings.api_prefix

    @app.get(f"{prefix}/open")
    @app.post(f"{prefix}/closed", dependencies=[require("admin")])
    async def endpoint() -> None:
        pass

    assert list(unprotected(app)) == ["GET /open"]


def test_no_dependency_takes_a_thread(app: FastAPI) -> None:
    """FastAPI runs what is not async in a thread, which costs each request about 0.1 ms."""
    calls = {
        call
        for route in iter_route_contexts(app.routes)
        if (dependant := getattr(route, "dependant", None)) is not None
        for call in calls_of(dependant)
    }
    asynchronous = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    functions = [call if inspect.isfunction(call) else type(call).__call__ for call in calls]
    assert [call for call in functions if not any(test(call) for test in asynchronous)] == []


@pytest.mark.parametrize("scopes", [[], ["admins"]])
def test_a_requirement_that_could_not_be_met_is_refused(scopes: list[str]) -> None:
    with pytest.raises(ValueError, match=r"(?i)scope"):
        require(*scopes)


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
