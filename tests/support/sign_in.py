"""People who sign in at an identity provider: as much of a browser as the authorization code flow needs."""

import base64
import hashlib
import html
import json
import re
import secrets
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPMessage
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import IO, Any

PASSWORD = "development"


@dataclass(frozen=True)
class Client:
    """A client of the realm: who asks for tokens, and where its people come back."""

    name: str
    path: str
    secret: str | None = None


PAGE = Client("frontend", "/auth/callback")
BACKEND = Client("backend", "/api/v1/oauth/callback", "backend-development")


@dataclass(frozen=True)
class Answer:
    """An answer to a request, whatever its status; `url` is where redirects have led."""

    status: int
    url: str
    headers: Message
    text: str

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.text)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but to an address where nobody may be listening."""

    def __init__(self, stop: str | None) -> None:
        self._stop = stop

    def redirect_request(  # noqa: PLR0917 - as the class above has it
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if self._stop and newurl.startswith(self._stop):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Browser:
    """Keeps cookies and follows redirects, except to `stop`."""

    def __init__(self, stop: str | None = None) -> None:
        # Browsers take localhost for secure, and send it cookies for HTTPS.
        policy = DefaultCookiePolicy(secure_protocols=("http", "https"))
        jar = urllib.request.HTTPCookieProcessor(CookieJar(policy))
        self._opener = urllib.request.build_opener(jar, _Redirects(stop), urllib.request.ProxyHandler({}))

    def open(self, url: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None) -> Answer:
        """Get an address, or post a form to it."""
        if form is None:
            return self.call("GET", url, None, headers)
        return self.call("POST", url, urllib.parse.urlencode(form).encode(), headers)

    def call(self, method: str, url: str, body: bytes | None, headers: dict[str, str] | None) -> Answer:
        """Send a request, as a script in a page does."""
        request = urllib.request.Request(url, body, headers or {}, method=method)  # noqa: S310 - our own servers
        try:
            with self._opener.open(request, timeout=30) as response:
                return Answer(response.status, response.url, response.headers, response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.url, error.headers, error.read().decode())

    def submit_login(self, page: Answer, email: str) -> Answer:
        """Fill in the login form that the provider shows."""
        assert 'name="password"' in page.text, f"no login form at {page.url}:\n{page.text[:2000]}"
        form = re.search(r'<form[^>]* action="([^"]*)"', page.text)
        action = urllib.parse.urljoin(page.url, html.unescape(form[1])) if form else page.url
        return self.open(action, {"username": email, "password": PASSWORD})


@dataclass(frozen=True)
class Tokens:
    """What a provider has given a client for a person."""

    issuer: str
    client: Client
    access: str
    refresh: str
    identity: str

    @property
    def bearer(self) -> dict[str, str]:
        """The header that carries the access token."""
        return {"Authorization": f"Bearer {self.access}"}

    def renewed(self) -> Answer:
        """Exchange the refresh token; see `read_tokens`."""
        return _token_request(self.issuer, self.client, {"grant_type": "refresh_token", "refresh_token": self.refresh})


def sign_in(issuer: str, page: str, email: str, client: Client = PAGE, scope: str = "openid") -> Tokens:
    """Sign a person in, in a browser of their own.

    Args:
        issuer: the provider.
        page: the address of the page, which need not be served.
        email: of the person; all of the realm have the same password.
        client: who gets the tokens.
        scope: what the client asks for.
    """
    back, verifier = f"{page}{client.path}", secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "client_id": client.name,
        "redirect_uri": back,
        "response_type": "code",
        "scope": scope,
        "nonce": "n",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    browser = Browser(stop=back)
    login = browser.open(f"{issuer}/protocol/openid-connect/auth?{urllib.parse.urlencode(query)}")
    answer = browser.submit_login(login, email)
    location = answer.headers.get("Location", "")
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query).get("code")
    assert code, f"{email} is not let in: {answer.status} {location}\n{answer.text}"
    grant = {"grant_type": "authorization_code", "redirect_uri": back, "code": code[0], "code_verifier": verifier}
    return read_tokens(issuer, client, _token_request(issuer, client, grant))


def read_tokens(issuer: str, client: Client, answer: Answer) -> Tokens:
    """Return the tokens of an answer."""
    assert answer.status == 200, answer.text
    tokens = answer.json()
    return Tokens(issuer, client, tokens["access_token"], tokens["refresh_token"], tokens["id_token"])


def claims(token: str) -> dict[str, Any]:
    """Return what a token says, unverified."""
    return _segment(token, 1)


def header(token: str) -> dict[str, Any]:
    """Return a token's header."""
    return _segment(token, 0)


def _segment(token: str, index: int) -> dict[str, Any]:
    segment = token.split(".")[index]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return found


def _token_request(issuer: str, client: Client, grant: dict[str, str]) -> Answer:
    headers = {}
    if client.secret is None:
        grant = {**grant, "client_id": client.name}
    else:
        credentials = base64.b64encode(f"{client.name}:{client.secret}".encode()).decode()
        headers["Authorization"] = f"Basic {credentials}"
    return Browser().open(f"{issuer}/protocol/openid-connect/token", grant, headers)
