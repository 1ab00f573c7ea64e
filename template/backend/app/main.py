"""The application: settings, core, features, routes."""

from fastapi import FastAPI

from app.core.application import create_core, trust_proxies
from app.core.health import router as health
from app.core.logging import configure_logging
from app.core.settings import check_settings, get_settings
from app.features import load_features
from app.identity.endpoints import ROUTERS as IDENTITY
from app.modules import ROUTERS
from app.tenancy.endpoints import router as tenancy


def create_app() -> FastAPI:
    """Return the application: `uvicorn --factory app.main:create_app` serves it.

    Raises:
        SettingsError: settings that cannot be used, a line for each; it ends the program.
    """
    features = load_features()
    check_settings()
    settings = get_settings()
    configure_logging(settings)
    app = create_core(settings)
    # The first route that fits serves a request, and FastAPI tries one after the other: most
    # requests are for the team's own.
    for router in (health, *ROUTERS, *IDENTITY, tenancy):
        app.include_router(router, prefix=settings.api_prefix)
    for feature in features:
        feature.install(app)
    trust_proxies(app, settings)
    return app
