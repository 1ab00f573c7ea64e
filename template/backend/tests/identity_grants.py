"""Codes and refresh tokens of the tests' identity provider, checked as strictly as a real one's."""

import base64
import hashlib
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import uuid4

if TYPE_CHECKING:
    from tests.identity_provider import LocalProvider

CLIENT = "backend"
SECRET = "backend-development"


class Grants:
    """What the provider has given out.

    `person` holds the claims of whoever logs in next; `lifetime` is their access token's, in
    seconds.
    """

    def __init__(self, provider: "LocalProvider") -> None:
        self._provider = provider
        self.person: dict[str, Any] = {}
        self.lifetime = 900
        self.refuse_login = False
        self.delay = 0.0
        """Seconds that the token endpoint takes."""
        self.nonce: str | None = None
        """If set, the nonce of ID tokens in place of the one that was asked for."""
        self._codes: dict[str, dict[str, Any]] = {}
        self._refresh_tokens: dict[str, dict[str, Any]] = {}
        self._used: set[str] = set()

    def authorize(self, query: dict[str, str]) -> str:
        """Log the person in and return where their browser goes (RFC 6749, section 4.1)."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        answer = {"state": query["state"], "iss": self._provider.issuer}
        if self.refuse_login:
            answer["error"] = "access_denied"
        else:
            answer["code"] = uuid4().hex
            self._codes[answer["code"]] = {**query, "person": self.person, "sid": uuid4().hex}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def exchange(self, form: dict[str, str], client: str) -> tuple[int, dict[str, Any]]:
        """Answer the token endpoint."""
        time.sleep(self.delay)
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if client != f"Basic {expected}":
            return 401, {"error": "invalid_client"}
        if form["grant_type"] == "authorization_code":
            grant = self._codes.pop(form["code"], None)
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            if (
                grant is None
                or challenge != grant["code_challenge"]
                or form["redirect_uri"] != grant["redirect_uri"]
            ):
                return 400, {"error": "invalid_grant"}
            return 200, self._tokens(grant)
        token = form["refresh_token"]
        if token in self._used:
            # Used twice: one of the two is a thief, so the whole session ends (RFC 9700, section
            # 4.14.2).
            self._refresh_tokens.clear()
        grant = self._refresh_tokens.pop(token, None)
        if grant is None:
            return 400, {"error": "invalid_grant", "error_description": "unknown refresh token"}
        self._used.add(token)
        return 200, self._tokens(grant)

    def revoke(self, token: str) -> None:
        """End a grant."""
        self._refresh_tokens.pop(token, None)

    def is_live(self, refresh_token: str) -> bool:
        """Tell whether a refresh token is still good."""
        return refresh_token in self._refresh_tokens

    def _tokens(self, grant: dict[str, Any]) -> dict[str, Any]:
        refresh_token = uuid4().hex
        self._refresh_tokens[refresh_token] = grant
        claims = self._provider.claims(**grant["person"], sid=grant["sid"], azp=CLIENT)
        claims["exp"] = claims["iat"] + self.lifetime
        sign = self._provider.keys[-1].sign
        identity = {
            "iss": claims["iss"],
            "sub": claims["sub"],
            "aud": CLIENT,
            "iat": claims["iat"],
            "exp": claims["exp"],
            "nonce": self.nonce or grant["nonce"],
        }
        return {
            "access_token": sign(claims),
            "refresh_token": refresh_token,
            "id_token": sign(identity),
            "token_type": "Bearer",
            "expires_in": self.lifetime,
        }
