"""A real Keycloak in place of the development provider: the same realm, the same journeys, and what its operators do.

What happens at a rotation, to a disabled user, after a revoked session, a changed role, and with clocks that differ, is what the
generated project's docs/explanation/authentication.md says in the table "When something changes at the identity provider".
"""

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import keycloak as keycloak_server
from support.keycloak import Keycloak
from support.ports import free_ports
from support.projects import Project, clean_environment
from support.sign_in import BACKEND, PAGE, Answer, Browser, Client, Tokens, claims, header, read_tokens, sign_in
from support.stack import Stack, running
from support.tools import keycloak_version, program

pytestmark = pytest.mark.verify

HERE = Path(__file__).parent
ALICE, BOB, CAROL, ROOT = "alice@acme.test", "bob@acme.test", "carol@globex.test", "root@platform.test"
JOURNEYS = 10
VOLATILE = {"exp", "iat", "jti", "sid", "at_hash", "auth_time"}
"""Claims that differ from token to token."""

LISTED_BY_KEYCLOAK_ALONE = {"application", "offline_access"}
"""Scopes that no token names: one that only carries claims, and one that no client of the realm may ask for."""

TOKEN_SECONDS = 900
LEEWAY_SECONDS = 120
"""Of the second process; so much that a busy machine does not get from one side of it to the other."""

LOGIN = "{}/api/v1/oauth/login?return_to=/"

PATIENCE_SECONDS = 60
"""Only stops a test whose wait would not end."""


@pytest.fixture(scope="module")
def project(workshop: Callable[..., Project]) -> Project:
    return workshop(include_observability=True)


@pytest.fixture(scope="module")
def keycloak(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    with keycloak_server.running(project, tmp_path_factory.mktemp("keycloak"), page=free_ports(1)[0]) as server:
        yield server


@pytest.fixture(scope="module")
def stack(project: Project, keycloak: Keycloak, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The development stack, told to use the Keycloak; as a team with one of its own would."""
    with running(
        project,
        tmp_path_factory.mktemp("stack") / "dev.log",
        "--fresh",
        OIDC_ISSUER=keycloak.issuer,
        FRONTEND_PORT=keycloak.page.rpartition(":")[2],
        RATE_LIMIT_ENABLED="false",
        JWKS_REFRESH_INTERVAL_SECONDS="1",  # tests rotate keys more often than every 30 s
    ) as started:
        yield started


@dataclass(frozen=True)
class Backend:
    """A second process of the API: its clock can be set, and it asks for keys more often than by default."""

    api: str
    clock: Path
    log: Path

    @contextmanager
    def ahead(self, seconds: float) -> Iterator[None]:
        """Put the clock forward, or, with a negative figure, back, until the block ends."""
        self.clock.write_text(f"{seconds:+}\n")
        try:
            yield
        finally:
            self.clock.write_text("+0\n")


@pytest.fixture(scope="module")
def backend(project: Project, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    leeway = str(LEEWAY_SECONDS)
    settings = {"JWKS_CACHE_SECONDS": "2", "JWKS_REFRESH_INTERVAL_SECONDS": "1", "JWT_LEEWAY_SECONDS": leeway}
    with serving(project, stack, tmp_path_factory.mktemp("backend"), **settings) as started:
        yield started


@contextmanager
def serving(project: Project, stack: Stack, folder: Path, **settings: str) -> Iterator[Backend]:
    """Run a process of the API more, on the stack's PostgreSQL and Redis, until the block ends."""
    faketime = program("faketime", "faketime")
    library = subprocess.run([faketime, "-f", "+0", "printenv", "LD_PRELOAD"], check=True, capture_output=True, text=True)
    port, ports = free_ports(1)[0], stack.facts["ports"]
    started = Backend(f"http://localhost:{port}/api/v1", folder / "clock", folder / "log")
    started.clock.write_text("+0\n")
    told = {
        "LD_PRELOAD": library.stdout.strip(),
        "FAKETIME_TIMESTAMP_FILE": str(started.clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(ports["postgres"]),
        "REDIS_URL": f"redis://127.0.0.1:{ports['redis']}/0",
        "OIDC_ISSUER": stack.facts["issuer"],
        "PUBLIC_URL": stack.facts["page"],
        "RATE_LIMIT_ENABLED": "false",
    }
    with started.log.open("wb") as log:
        process = subprocess.Popen(
            [".venv/bin/python", "-m", "uvicorn", "--factory", "app.main:create_app", "--port", str(port)],
            cwd=project.path / "backend",
            env=clean_environment() | told | settings,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: process.poll() is not None or answers(f"{started.api}/health/ready"))
        assert process.poll() is None, started.log.read_text()
        yield started
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)


def get(api: str, path: str, tokens: Tokens | None = None) -> Answer:
    return Browser().open(f"{api}{path}", headers=tokens.bearer if tokens else None)


def answers(url: str) -> bool:
    try:
        return Browser().open(url).status == 200
    except OSError:
        return False


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "this does not come true"
        time.sleep(0.2)


def person(keycloak: Keycloak, email: str, client: Client = PAGE, scope: str = "openid") -> Tokens:
    return sign_in(keycloak.issuer, keycloak.page, email, client, scope)


def renewed(tokens: Tokens) -> Tokens:
    return read_tokens(tokens.issuer, tokens.client, tokens.renewed())


def assert_renewal_refused(tokens: Tokens, why: str) -> None:
    answer = tokens.renewed()
    assert answer.status == 400
    assert answer.json() == {"error": "invalid_grant", "error_description": why}


def cookie_session(stack: Stack, email: str) -> Browser:
    """Return a browser that has signed in through the server, and holds a cookie and no token."""
    browser = Browser()
    login = browser.open(LOGIN.format(stack.facts["page"]))
    assert browser.submit_login(login, email).url == f"{stack.facts['page']}/"
    return browser


def assert_refused(answer: Answer, why: str) -> None:
    assert answer.status == 401
    assert answer.json()["detail"] == why


# The realm


def test_the_version_is_of_the_line_that_new_projects_start_with() -> None:
    versions = yaml.safe_load((HERE.parents[1] / "questions" / "versions.yml").read_text(encoding="utf-8"))
    assert keycloak_version().startswith(f"{versions['keycloak_version']['default']}.")


def test_keycloak_has_all_that_realm_json_says(project: Project, keycloak: Keycloak) -> None:
    """An import leaves out what it does not know without a word."""
    text = (project.path / "keycloak" / "realm.json").read_text(encoding="utf-8")
    filled = {"REALM": keycloak.realm, "FRONTEND_URL": keycloak.page, "API_PREFIX": "/api/v1"}
    written = json.loads(re.sub(r"\$\{(\w+)\}", lambda match: filled.get(match[1], "**********"), text))
    users, profile = written.pop("users"), written.pop("components")
    imported = keycloak.admin("POST", "/partial-export?exportClients=true&exportGroupsAndRoles=true")
    assert missing(written, imported) == []
    [[imported_profile]] = [
        imported["components"][kind] for kind in profile if kind == "org.keycloak.userprofile.UserProfileProvider"
    ]
    [[written_profile]] = profile.values()
    name = "kc.user.profile.config"
    assert missing(json.loads(written_profile["config"][name][0]), json.loads(imported_profile["config"][name][0])) == []
    for user in users:
        found = keycloak.user(user["email"])
        roles = keycloak.admin("GET", f"/users/{found['id']}/role-mappings/realm")
        found["realmRoles"] = [role["name"] for role in roles]
        found["credentials"] = user["credentials"]  # hashed; that it fits is seen whenever somebody signs in
        assert missing(user, found) == []


def missing(written: Any, found: Any, where: str = "") -> list[str]:
    """Return where `found` lacks something that is `written`; the order of a list does not matter, and it may have more."""
    if isinstance(written, dict):
        return [
            place
            for name, value in written.items()
            for place in (missing(value, found[name], f"{where}.{name}") if name in found else [f"{where}.{name}"])
        ]
    if isinstance(written, list):
        return [f"{where}: {item}" for item in written if all(missing(item, other) for other in found)]
    return [] if written == found else [f"{where} is {found}, not {written}"]


@pytest.fixture(scope="module")
def providers(project: Project, keycloak: Keycloak) -> Iterator[list[str]]:
    """The issuers of the Keycloak and of a development provider with the same realm."""
    port = free_ports(1)[0]
    issuer = f"http://localhost:{port}/realms/{keycloak.realm}"
    told = {
        "ENV": "test",
        "OIDC_ISSUER": issuer,
        "FRONTEND_URL": keycloak.page,
        "API_PREFIX": "/api/v1",
        "OIDC_BACKEND_CLIENT_SECRET": str(BACKEND.secret),
        "PROVIDER_STATE": str(project.path / ".dev" / "compared"),
    }
    process = subprocess.Popen(["node", "dev-provider.mjs"], cwd=project.path / "keycloak", env=clean_environment() | told)
    try:
        until(lambda: process.poll() is not None or answers(f"{issuer}/.well-known/openid-configuration"))
        yield [keycloak.issuer, issuer]
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def test_the_providers_tests_pass_with_both(project: Project, providers: list[str], keycloak: Keycloak) -> None:
    for issuer in providers:
        printed = project.make("test-realm", f"ISSUER={issuer}", FRONTEND_URL=keycloak.page)
        assert int(re.findall(r"pass (\d+)", printed)[0]) >= 15


def test_both_providers_describe_themselves_alike(providers: list[str]) -> None:
    keycloaks, developments = (described(issuer) for issuer in providers)
    assert keycloaks == developments


def described(issuer: str) -> dict[str, Any]:
    """Return of a provider's configuration what the page, the API, or a team's own client may go by."""
    document = get(issuer, "/.well-known/openid-configuration").json()
    names = ("authorization", "token", "userinfo", "end_session", "revocation")
    return {
        "endpoints": {name: document[f"{name}_endpoint"].removeprefix(issuer) for name in names},
        "jwks": document["jwks_uri"].removeprefix(issuer),
        "issuer": document["issuer"].removeprefix(issuer),
        "scopes": set(document["scopes_supported"]) - LISTED_BY_KEYCLOAK_ALONE,
        "S256": "S256" in document["code_challenge_methods_supported"],
        "code": "code" in document["response_types_supported"],
        "RS256": "RS256" in document["id_token_signing_alg_values_supported"],
        "subjects": "public" in document["subject_types_supported"],
    }


@pytest.mark.parametrize("client", [PAGE, BACKEND], ids=lambda client: client.name)
@pytest.mark.parametrize("email", [ALICE, BOB, CAROL, ROOT])
def test_both_providers_say_the_same_of_a_user(providers: list[str], keycloak: Keycloak, email: str, client: Client) -> None:
    for scope in ("openid", "openid admin", "openid statements/read"):
        said = [said_of(sign_in(issuer, keycloak.page, email, client, scope)) for issuer in providers]
        assert said[0] == said[1]


def said_of(tokens: Tokens) -> dict[str, Any]:
    """Return what a provider says of a person in tokens and at its userinfo endpoint, without what differs each time."""
    userinfo = Browser().open(f"{tokens.issuer}/protocol/openid-connect/userinfo", headers=tokens.bearer)
    assert userinfo.status == 200
    again = renewed(tokens)
    return {
        "header": header(tokens.access) | {"kid": ""},
        "access": steady(tokens.access, tokens.issuer),
        "identity": steady(tokens.identity, tokens.issuer),
        "renewed": steady(again.access, tokens.issuer),
        "same session": len({claims(token).get("sid") for token in (tokens.access, tokens.identity, again.access)}) == 1,
        "userinfo": userinfo.json(),
    }


def steady(token: str, issuer: str) -> dict[str, Any]:
    said = claims(token)
    kept = {name: value for name, value in said.items() if name not in VOLATILE}
    kept |= {"iss": said["iss"].removeprefix(issuer), "lives": said["exp"] - said["iat"]}
    if "scope" in kept:
        kept["scope"] = set(kept["scope"].split())
    return kept


# The journeys


@contextmanager
def added(project: Project, name: str) -> Iterator[str]:
    """Put a suite of ours among the project's, whose helpers it uses, until the block ends."""
    target = project.path / "frontend" / "e2e" / name
    shutil.copy2(HERE / name, target)
    try:
        yield name
    finally:
        target.unlink()


def passed(printed: str) -> int:
    found = re.search(r"^\s*(\d+) passed", printed, flags=re.MULTILINE)
    return int(found.group(1)) if found else 0


def test_the_stack_says_that_it_starts_no_provider(stack: Stack, keycloak: Keycloak) -> None:
    printed = stack.printed()
    assert "OIDC_ISSUER is set, so no provider is started here." in printed
    assert f"Log in   at {keycloak.issuer}" in printed
    assert f"{keycloak.page}/auth/callback" in printed
    assert "provider" not in stack.facts["ports"]


def test_the_journeys_with_keycloak(project: Project, stack: Stack) -> None:
    program("chromium", "chromium")
    printed = project.run("npm", "--prefix", "frontend", "run", "--silent", "e2e", BASE_URL=stack.facts["page"])
    assert passed(printed) >= JOURNEYS


def test_what_the_page_shows_when_something_changes_at_keycloak(project: Project, stack: Stack, keycloak: Keycloak) -> None:
    program("chromium", "chromium")
    with added(project, "keycloak.spec.ts") as suite:
        printed = project.run(
            *("npm", "--prefix", "frontend", "run", "--silent", "e2e", "--", suite),
            BASE_URL=stack.facts["page"],
            KEYCLOAK=keycloak.address,
            REALM=keycloak.realm,
            ADMIN_PASSWORD=keycloak.password,
        )
    assert passed(printed) == 5


# What happens when


def test_a_new_key_counts_at_once_and_the_old_one_while_it_is_published(
    project: Project, keycloak: Keycloak, stack: Stack, backend: Backend, tmp_path: Path
) -> None:
    before, browser = person(keycloak, ALICE), cookie_session(stack, ALICE)
    # With the settings that it comes with, and keys that it has fetched a moment ago.
    with serving(project, stack, tmp_path) as fresh:
        for api in (fresh.api, backend.api):
            assert get(api, "/auth/me", before).status == 200

        old = keycloak.signing_key()
        keycloak.add_key(priority=int(time.time()))
        after = person(keycloak, ALICE)
        assert header(after.access)["kid"] != header(before.access)["kid"]
        for api in (fresh.api, backend.api):
            assert get(api, "/auth/me", after).status == 200
            assert get(api, "/auth/me", before).status == 200
        again = renewed(before)
        assert get(fresh.api, "/auth/me", again).status == 200

        keycloak.remove_key(old)
        until(lambda: get(backend.api, "/auth/me", before).status == 401)
        assert_refused(get(backend.api, "/auth/me", before), "The token is signed with a key that its issuer does not have.")
        for tokens in (after, again, renewed(again)):
            assert get(backend.api, "/auth/me", tokens).status == 200
        # A session's token is the server's to renew, which it does by the time of its end; a new login asks for no password.
        assert browser.open(f"{backend.api}/auth/me").status == 401
        assert browser.open(LOGIN.format(stack.facts["page"])).url == f"{keycloak.page}/"
        assert browser.open(f"{backend.api}/auth/me").status == 200
        # By default keys are kept for five minutes: until then a process goes by those that it has.
        assert get(fresh.api, "/auth/me", before).status == 200


def test_a_disabled_user_gets_no_new_token_and_the_last_one_ends_within_its_minutes(
    keycloak: Keycloak, stack: Stack, backend: Backend
) -> None:
    tokens, browser = person(keycloak, BOB), cookie_session(stack, BOB)
    with keycloak.disabled(BOB):
        assert get(stack.facts["api"], "/auth/me", tokens).status == 200
        assert browser.open(f"{backend.api}/auth/me").status == 200
        assert_renewal_refused(tokens, "User disabled")
        with pytest.raises(AssertionError, match="Account is disabled"):
            person(keycloak, BOB)
        with backend.ahead(TOKEN_SECONDS - 55):
            assert get(backend.api, "/auth/me", tokens).status == 200
            # The server renews the tokens of a session a minute before they end.
            assert_refused(browser.open(f"{backend.api}/auth/me"), NO_SESSION)
        with backend.ahead(TOKEN_SECONDS + LEEWAY_SECONDS + 5):
            assert_refused(get(backend.api, "/auth/me", tokens), "The token has expired.")
    assert_refused(browser.open(f"{backend.api}/auth/me"), NO_SESSION)
    assert get(stack.facts["api"], "/auth/me", person(keycloak, BOB)).status == 200


NO_SESSION = "Log in first: send an access token as `Authorization: Bearer <token>`."


def test_a_session_ended_by_an_administrator_is_not_renewed(keycloak: Keycloak, stack: Stack, backend: Backend) -> None:
    tokens, browser = person(keycloak, CAROL), cookie_session(stack, CAROL)
    keycloak.end_sessions(CAROL)
    assert get(stack.facts["api"], "/auth/me", tokens).status == 200
    assert browser.open(f"{backend.api}/auth/me").status == 200
    assert_renewal_refused(tokens, "Session not active")
    with backend.ahead(TOKEN_SECONDS - 55):
        assert_refused(browser.open(f"{backend.api}/auth/me"), NO_SESSION)
    with backend.ahead(TOKEN_SECONDS + LEEWAY_SECONDS + 5):
        assert_refused(get(backend.api, "/auth/me", tokens), "The token has expired.")


def test_a_logout_of_ours_reaches_every_process_at_once(keycloak: Keycloak, stack: Stack, backend: Backend) -> None:
    tokens = person(keycloak, CAROL)
    sibling = renewed(tokens)
    assert Browser().open(f"{stack.facts['api']}/auth/logout", {}, sibling.bearer).status == 204
    for api in (stack.facts["api"], backend.api):
        assert_refused(get(api, "/auth/me", tokens), "The token has been revoked.")


def test_a_realm_role_changes_the_next_token_and_no_role_in_the_database(keycloak: Keycloak, stack: Stack) -> None:
    api = stack.facts["api"]
    alice, bob = person(keycloak, ALICE), person(keycloak, BOB)
    assert [get(api, "/auth/me", tokens).json()["role"] for tokens in (alice, bob)] == ["admin", "member"]
    with keycloak.changed_role(ALICE, "tenant-admin", given=False), keycloak.changed_role(BOB, "tenant-admin", given=True):
        alice, bob = renewed(alice), renewed(bob)
        assert "roles" not in claims(alice.access)
        assert claims(bob.access)["roles"] == ["tenant-admin"]
        assert [get(api, "/auth/me", tokens).json()["role"] for tokens in (alice, bob)] == ["admin", "member"]


def test_a_platform_administrator_who_loses_the_role_keeps_the_scope_until_the_next_token(
    keycloak: Keycloak, stack: Stack
) -> None:
    api = stack.facts["api"]
    root = person(keycloak, ROOT, scope="openid admin")
    with keycloak.changed_role(ROOT, "platform-admin", given=False):
        assert get(api, "/tenants", root).status == 200
        assert get(api, "/tenants", renewed(root)).status == 403


def test_a_role_in_the_database_counts_from_the_next_request_on(keycloak: Keycloak, stack: Stack) -> None:
    api = stack.facts["api"]
    alice, bob = person(keycloak, ALICE), person(keycloak, BOB)
    identifier = get(api, "/auth/me", bob).json()["id"]
    for role, status in (("admin", 200), ("member", 403)):
        assert patch(f"{api}/users/{identifier}", {"role": role}, alice) == 200
        assert get(api, "/users", bob).status == status


def patch(url: str, body: object, tokens: Tokens) -> int:
    headers = tokens.bearer | {"Content-Type": "application/json"}
    return Browser().call("PATCH", url, json.dumps(body).encode(), headers).status


def test_clocks_may_differ_by_the_leeway_and_no_more(keycloak: Keycloak, backend: Backend) -> None:
    tokens = person(keycloak, ALICE)

    def status() -> int:
        return get(backend.api, "/auth/me", tokens).status

    assert status() == 200
    with backend.ahead(-(LEEWAY_SECONDS - 5)):
        assert get(backend.api, "/auth/me", person(keycloak, ALICE)).status == 200
    with backend.ahead(TOKEN_SECONDS + LEEWAY_SECONDS / 2 - age(tokens)):
        assert status() == 200
    with backend.ahead(-(LEEWAY_SECONDS + 60)):
        assert_refused(get(backend.api, "/auth/me", tokens), "The token is not valid yet.")
    assert "clock behind the issuer's" in backend.log.read_text()
    with backend.ahead(TOKEN_SECONDS + LEEWAY_SECONDS + 1):
        assert_refused(get(backend.api, "/auth/me", tokens), "The token has expired.")
    assert status() == 200


def age(tokens: Tokens) -> float:
    return time.time() - float(claims(tokens.access)["iat"])
