"""An identity provider for tests: real HTTP, real keys, and no page to log in at.

It speaks as much OpenID Connect as the application does. Whoever is sent to it is logged in at
once, as the person that the test named. Codes and refresh tokens are checked as strictly as a real
one's.
"""

import base64
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

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


SCOPES = (
    "statements/read",
    "statements/write",
    "statements/read/mine",
    "state/read",
    "state/write",
    "tenant/admin",
)
PATH = "/realms/test"


class SigningKey:
    """A key pair with its id."""

    def __init__(self, algorithm: str = "RS256") -> None:
        self.algorithm = algorithm
        self.id = uuid4().hex
        self.private: Any = (
            ec.generate_private_key(ec.SECP256R1())
            if algorithm == "ES256"
            else rsa.generate_private_key(public_exponent=65537, key_size=2048)
        )
        document: Any = jwt.get_algorithm_by_name(algorithm).to_jwk(
            self.private.public_key(), as_dict=True
        )
        self.public = {**document, "kid": self.id, "alg": algorithm, "use": "sig"}

    def sign(self, claims: dict[str, Any], **headers: object) -> str:
        """Return the claims as a signed token; headers given here replace the usual ones."""
        # PyJWT's own encode() refuses odd claims, which tests need.
        content = json.dumps(claims).encode()
        return jwt.PyJWS().encode(
            content, self.private, self.algorithm, headers={"kid": self.id, **headers}
        )


class LocalProvider:
    """The provider. As a context manager it serves until the block ends."""

    def __init__(self, algorithm: str = "RS256") -> None:
        self.keys = [SigningKey(algorithm)]
        self.requests: Counter[str] = Counter()
        """How often each path was asked for."""
        self.grants = Grants(self)
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self.start()
        self.issuer = f"http://127.0.0.1:{self._port}{PATH}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve, after a stop again on the same port."""
        server = ThreadingHTTPServer(("127.0.0.1", self._port), handler_for(self))
        server.daemon_threads = True
        self._server, self._port = server, server.server_port
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Be unreachable."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def rotate_keys(self, algorithm: str = "RS256") -> None:
        """Sign with a new key from now on, and withdraw the old ones."""
        self.keys = [SigningKey(algorithm)]

    def token(
        self,
        *,
        tenant_id: UUID | str | None = None,
        subject: str = "somebody",
        scopes: Iterable[str] = SCOPES,
        roles: Iterable[str] = (),
        **claims: object,
    ) -> str:
        """Return an access token. Further claims replace the usual ones; None leaves one out."""
        return self.keys[-1].sign(
            self.claims(
                **{
                    "sub": subject,
                    "scope": " ".join(["openid", *scopes]),
                    "roles": list(roles),
                    "tenant_id": str(tenant_id) if tenant_id else None,
                    **claims,
                }
            )
        )

    def claims(self, **claims: object) -> dict[str, Any]:
        """Return the usual claims of an access token with others added; None leaves a claim out."""
        now = int(time.time())
        subject = str(claims.get("sub", "somebody"))
        usual = {
            "iss": self.issuer,
            "aud": ["api", "account"],
            "sub": subject,
            "azp": "frontend",
            "jti": uuid4().hex,
            "sid": uuid4().hex,
            "iat": now,
            "exp": now + 900,
            "scope": " ".join(["openid", *SCOPES]),
            "email": f"{subject}@example.test",
            "email_verified": True,
            "name": subject.title(),
            "preferred_username": subject,
        }
        return {name: value for name, value in (usual | claims).items() if value is not None}

    def configuration(self) -> dict[str, Any]:
        """Return the discovery document."""
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "revocation_endpoint": f"{self.issuer}/revoke",
            "end_session_endpoint": f"{self.issuer}/logout",
        }


def handler_for(provider: LocalProvider) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers the provider's requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            path = url.path.removeprefix(PATH)
            provider.requests[path] += 1
            if path == "/.well-known/openid-configuration":
                self.answer(200, provider.configuration())
            elif path == "/keys":
                self.answer(200, {"keys": [key.public for key in provider.keys]})
            elif path == "/authorize":
                location = provider.grants.authorize(dict(parse_qsl(url.query)))
                self.answer(302, {}, Location=location)
            else:
                self.answer(404, {})

        def do_POST(self) -> None:
            path = urlsplit(self.path).path.removeprefix(PATH)
            provider.requests[path] += 1
            length = int(self.headers.get("content-length", 0))
            form = dict(parse_qsl(self.rfile.read(length).decode()))
            client = self.headers.get("authorization", "")
            if path == "/token":
                self.answer(*provider.grants.exchange(form, client))
            elif path == "/revoke":
                provider.grants.revoke(form["token"])
                self.answer(200, {})
            else:
                self.answer(404, {})

        def answer(self, status: int, body: dict[str, Any], **headers: str) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    return Handler
