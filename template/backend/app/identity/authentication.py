"""The first thing decided of a request: whose token it carries, and whether that still counts."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from app.core.context import get_client_address
from app.core.errors import UnauthorizedError, UnavailableError
from app.core.rate_limits import get_rate_limiter
from app.identity.revocation import ask_if_revoked
from app.identity.services import get_identity
from app.identity.tokens import AccessToken, InvalidTokenError

NO_CREDENTIALS: Final = "Log in first: send an access token as `Authorization: Bearer <token>`."


@dataclass(frozen=True, slots=True)
class Authentication:
    """An accepted token.

    `revocation_checked` is false while Redis does not answer: the token may have been revoked.
    `by_cookie` is true for a browser that holds a session and no token.
    """

    token: AccessToken
    revocation_checked: bool
    by_cookie: bool


async def authenticate(request: Request) -> Authentication:
    """Find the token in the header or the session, check it, and count the request.

    Revocation and rate limits are asked of Redis in one round trip.

    Raises:
        UnauthorizedError: there is none, or it is not accepted.
        RateLimitedError: the user or the address sent too many requests, or too many bad tokens.
        UnavailableError: it cannot be checked at the moment.
    """
    identity, limiter = get_identity(request), get_rate_limiter(request)
    address = get_client_address()
    raw = _bearer_token(request)
    by_cookie = raw is None
    if raw is None:
        raw = await identity.sessions.access_token(request)
    if raw is None:
        await limiter.check(address=address)
        raise UnauthorizedError(NO_CREDENTIALS)
    try:
        token = await identity.verify(raw)
    except InvalidTokenError:
        await limiter.count_failed_authentication(address)
        raise
    revocations: int | None = await limiter.check(
        address=address,
        user=f"{token.tenant_id}/{token.subject}",
        also=lambda pipeline: ask_if_revoked(pipeline, token),
    )
    if revocations:
        await limiter.count_failed_authentication(address)
        raise InvalidTokenError("The token has been revoked.")
    if revocations is None and identity.settings.revocation_strict:
        raise UnavailableError(
            "Whether the token has been revoked cannot be checked. Try again shortly.",
            headers={"Retry-After": "5"},
        )
    return Authentication(token, revocation_checked=revocations is not None, by_cookie=by_cookie)


def _bearer_token(request: Request) -> str | None:
    """Return the token of `Authorization: Bearer` (RFC 6750, section 2.1), if there is one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


CurrentAuthentication = Annotated[Authentication, Depends(authenticate)]
