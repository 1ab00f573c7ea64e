"""Every route that needs no scope.

Any other one must declare `require(...)`: a test walks all routes.

A feature adds its own by a constant `PUBLIC_ROUTES` of the same form in its `install.py`.
"""

from typing import Final

PUBLIC_ROUTES: Final = frozenset(
    {
        "GET /health",
        "GET /health/ready",
        "GET /auth/config",
        "GET /oauth/providers",
        "GET /oauth/login",
        "GET /oauth/callback",
        "POST /oauth/logout",
        "GET /openapi.json",
        "GET /docs",
        "GET /docs/oauth2-redirect",
        "GET /redoc",
    }
)
"""They need no token. Paths follow the API's prefix."""

ANY_CALLER: Final = frozenset({"GET /auth/me", "POST /auth/logout"})
"""They need a token, with whatever scopes."""
