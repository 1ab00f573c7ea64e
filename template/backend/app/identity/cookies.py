"""Cookies of browsers that log in through the server, and the guard against forged requests.

A cookie goes along with whatever request a browser sends, also one that another site makes it send.
SameSite=Lax keeps it out of other sites' forms and scripts; for browsers and sister domains where
that does not hold, a request that changes something must also come from an origin that is known.
"""

from typing import Final

from fastapi import Request, Response

from app.core.errors import ForbiddenError
from app.core.settings import get_settings
from app.identity.settings import IdentitySettings

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""They change nothing (RFC 9110, section 9.2.1)."""


class CrossSiteRequestError(ForbiddenError):
    """A request with a session's cookie that may come from another site."""

    code, title = "cross-site-request", "Request from another site"


class Cookie:
    """One cookie: only HTTP sees it, not the page's scripts.

    The prefix `__Host-` makes the browser refuse the cookie from a subdomain or without HTTPS (RFC
    6265bis, section 4.1.3.2), so that nobody can plant a session.
    """

    def __init__(self, name: str, settings: IdentitySettings) -> None:
        self._secure = settings.cookies_are_secure
        self.name = f"__Host-{name}" if self._secure else name

    def read(self, request: Request) -> str | None:
        """Return what the browser sent."""
        return request.cookies.get(self.name) or None

    def write(self, response: Response, value: str, *, max_age: int | None) -> None:
        """Hand the browser a value for some seconds, or until it is closed."""
        response.set_cookie(
            self.name,
            value,
            max_age=max_age,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def delete(self, response: Response) -> None:
        """Make the browser forget the value."""
        response.delete_cookie(
            self.name, path="/", secure=self._secure, httponly=True, samesite="lax"
        )


def refuse_cross_site(request: Request) -> None:
    """Refuse a request that changes something unless its `Origin` is ours.

    Every browser in use sends `Origin` with such requests; one without it is refused too.

    Raises:
        CrossSiteRequestError: the origin is missing, or neither PUBLIC_URL nor among CORS_ORIGINS.
    """
    if request.method in SAFE_METHODS:
        return
    settings = get_settings()
    if request.headers.get("origin") not in {settings.public_url, *settings.cors_origins}:
        raise CrossSiteRequestError(
            "A request with a session cookie that changes something must have the header Origin, "
            "with the address of this application."
        )
