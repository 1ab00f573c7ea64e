"""Deny by default: no route is open by mistake."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from app.features import load_features
from app.identity.authentication import authenticate
from app.identity.dependencies import ScopeRequirement, require
from app.identity.public_routes import ANY_CALLER, PUBLIC_ROUTES


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
                if authenticate not in calls:
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


@pytest.mark.parametrize("scopes", [[], ["admins"]])
def test_a_requirement_that_could_not_be_met_is_refused(scopes: list[str]) -> None:
    with pytest.raises(ValueError, match=r"(?i)scope"):
        require(*scopes)
