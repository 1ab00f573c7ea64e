"""Access tokens: what they say, and whether they may be believed."""

import json
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import jwt
import structlog

from app.core.errors import UnauthorizedError
from app.identity.jwks import KeyCache
from app.identity.scopes import Scope, parse_scopes

logger = structlog.get_logger(__name__)

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512",
    "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512",
    "EdDSA",
)  # fmt: skip
"""Signatures with a key pair. Without `none`, and without HS*: with those, whoever holds the public
key could sign (RFC 8725, sections 3.1 and 3.2)."""

MAX_TOKEN_BYTES: Final = 8192
"""What proxies take as one header line (nginx: 8 KiB). Beyond it nothing is parsed."""

MAX_ACCEPTED: Final = 1000
"""Tokens whose check is remembered, by their hash: it costs more than all else that is done with
one. The oldest makes room."""

REQUIRED: Final = ("iss", "sub", "aud", "exp", "iat", "jti")

LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999. What lies beyond is no time that Python or Redis could work with."""

MAX_SUBJECT_CHARACTERS: Final = 255
"""OpenID Connect Core 1.0, section 2."""


class InvalidTokenError(UnauthorizedError):
    """The token is not accepted; the reason is told as RFC 6750, section 3 has it."""

    code, title = "invalid-token", "Access token not accepted"

    def __init__(self, detail: str) -> None:
        challenge = f'Bearer error="invalid_token", error_description="{detail}"'
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The claims of an accepted access token. Times are in seconds since 1970."""

    issuer: str
    subject: str
    token_id: str
    session_id: str | None
    issued_at: int
    expires_at: int
    scopes: frozenset[Scope]
    roles: frozenset[str]
    tenant_id: UUID | None
    client_id: str | None
    email: str | None
    email_verified: bool
    name: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A token that was checked, and what that rests on."""

    token: AccessToken
    valid_from: int
    key_id: str
    key: jwt.PyJWK


class TokenVerifier:
    """Checks tokens of one issuer, each one's signature once as long as the keys stay the same.

    Args:
        keys: the issuer's public keys.
        issuer: what `iss` must be.
        leeway: seconds by which the clocks of issuer and application may differ.
    """

    def __init__(self, keys: KeyCache, *, issuer: str, leeway: float) -> None:
        self._keys = keys
        self._issuer = issuer
        self._leeway = leeway
        self._jwt = jwt.PyJWT({"enforce_minimum_key_length": True})
        self._accepted: dict[tuple[bytes, str], Accepted] = {}

    async def verify_access_token(self, raw: str, audience: str) -> AccessToken:
        """Check an access token and return what it says.

        Raises:
            InvalidTokenError: it is not accepted, for whatever reason.
            UnavailableError: the issuer's keys cannot be had at the moment.
        """
        _refuse_long(raw)
        place = (sha256(raw.encode(errors="surrogatepass")).digest(), audience)
        known = self._accepted.get(place)
        if known is not None and await self._still_holds(known):
            return known.token
        claims, key_id, key = await self._check(raw, audience, REQUIRED)
        token = _read_access_token(claims)
        if len(self._accepted) >= MAX_ACCEPTED:
            del self._accepted[next(iter(self._accepted))]
        valid_from = max(token.issued_at, int(claims.get("nbf", 0)))
        self._accepted[place] = Accepted(token, valid_from, key_id, key)
        return token

    async def _still_holds(self, accepted: Accepted) -> bool:
        """Tell whether a token that was accepted before would be accepted now.

        What it says has not changed. What may have is the time, and the issuer's keys: the key must
        be the very object, which each refresh of the keys makes anew.
        """
        now = time.time()
        begun = accepted.valid_from <= now + self._leeway
        if not begun or accepted.token.expires_at <= now - self._leeway:
            return False
        return await self._keys.get(accepted.key_id) is accepted.key

    async def verify(self, raw: str, audience: str, required: tuple[str, ...]) -> dict[str, Any]:
        """Check a token's signature, issuer, audience, times, and that it has the required claims.

        Raises:
            InvalidTokenError: it is not accepted, for whatever reason.
            UnavailableError: the issuer's keys cannot be had at the moment.
        """
        claims, _, _ = await self._check(raw, audience, required)
        return claims

    async def _check(
        self, raw: str, audience: str, required: tuple[str, ...]
    ) -> tuple[dict[str, Any], str, jwt.PyJWK]:
        """As `verify`; returns the claims, and the key that signed them with its id."""
        _refuse_long(raw)
        algorithm, key_id = _read_header(raw)
        if algorithm not in ALGORITHMS:
            raise InvalidTokenError("The token is not signed with an accepted algorithm.")
        key = await self._keys.get(key_id)
        if key is None:
            raise InvalidTokenError("The token is signed with a key that its issuer does not have.")
        try:
            claims = self._jwt.decode(
                raw,
                key,
                algorithms=ALGORITHMS,
                issuer=self._issuer,
                audience=audience,
                leeway=self._leeway,
                options={"require": list(required)},
            )
        except jwt.ExpiredSignatureError:
            raise InvalidTokenError("The token has expired.") from None
        except jwt.ImmatureSignatureError:
            # The issuer has signed it, so one of the two clocks is wrong, and nobody can sign in.
            logger.warning("clock behind the issuer's", seconds=self._seconds_until_valid(raw))
            raise InvalidTokenError("The token is not valid yet.") from None
        except jwt.InvalidIssuerError:
            raise InvalidTokenError("The token comes from another issuer.") from None
        except jwt.InvalidAudienceError:
            raise InvalidTokenError("The token is meant for another audience.") from None
        except jwt.MissingRequiredClaimError as error:
            raise InvalidTokenError(f"The token lacks the claim {error.claim}.") from None
        except jwt.PyJWTError:
            raise InvalidTokenError("The token is not intact.") from None
        return claims, key_id, key

    def _seconds_until_valid(self, raw: str) -> int:
        """Return how far off the beginning of a token is whose signature is good."""
        claims = self._jwt.decode(raw, options={"verify_signature": False})
        times = [claims[name] for name in ("iat", "nbf") if isinstance(claims.get(name), int)]
        return max(times, default=0) - int(time.time())


def _refuse_long(raw: str) -> None:
    if len(raw) > MAX_TOKEN_BYTES:
        raise InvalidTokenError(f"The token is longer than {MAX_TOKEN_BYTES} bytes.")


def _read_header(raw: str) -> tuple[str, str]:
    """Read algorithm and key id, which nothing has confirmed yet: good for choosing a key, no more.

    PyJWT's own reader decodes the whole token, which it does again when it verifies.
    """
    segment = raw.partition(".")[0]
    try:
        header = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
        algorithm, key_id = header["alg"], header["kid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidTokenError("The token is not a signed JWT that names its key.") from None
    if not isinstance(algorithm, str) or not isinstance(key_id, str):
        raise InvalidTokenError("The token is not a signed JWT that names its key.")
    return algorithm, key_id


def _read_access_token(claims: dict[str, Any]) -> AccessToken:
    subject, token_id = _text(claims, "sub"), _text(claims, "jti")
    if subject is None or len(subject) > MAX_SUBJECT_CHARACTERS or token_id is None:
        raise InvalidTokenError("The token's sub or jti cannot be used.")
    if int(claims["exp"]) > LAST_SECOND:
        raise InvalidTokenError("The token's exp cannot be used.")
    roles = claims.get("roles")
    return AccessToken(
        issuer=claims["iss"],
        subject=subject,
        token_id=token_id,
        session_id=_text(claims, "sid"),
        issued_at=int(claims["iat"]),
        expires_at=int(claims["exp"]),
        scopes=parse_scopes(_text(claims, "scope") or ""),
        roles=frozenset(role for role in roles if isinstance(role, str))
        if isinstance(roles, list)
        else frozenset(),
        tenant_id=_read_tenant_id(claims),
        client_id=_text(claims, "azp"),
        email=_text(claims, "email"),
        email_verified=claims.get("email_verified") is True,
        name=_text(claims, "name") or _text(claims, "preferred_username"),
    )


def _read_tenant_id(claims: dict[str, Any]) -> UUID | None:
    value = claims.get("tenant_id")
    if value is None:
        return None
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise InvalidTokenError("The token's tenant_id is not a UUID.") from None


def _text(claims: dict[str, Any], name: str) -> str | None:
    """Return a claim that is a text, not empty, and can be stored; any other counts as absent."""
    value = claims.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can express and UTF-8 cannot
        return None
    return value
