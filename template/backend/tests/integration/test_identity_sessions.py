"""The login of a browser that holds no token, from beginning to end."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import Response

from app.identity.models import OAuthProvider
from app.identity.sessions import _key
from app.project import API_PREFIX
from app.tenancy.models import Tenant
from tests.conftest import Client, MakeApp, MakeTenant, client_of
from tests.identity_provider import LocalProvider

ORIGIN = "http://localhost:5173"
FORM = {"Origin": ORIGIN}


@pytest.fixture
def realm() -> Iterator[LocalProvider]:
    """A provider of the test's own: it remembers who logs in and what it gave them."""
    with LocalProvider("ES256") as provider:
        yield provider


@pytest.fixture
async def app(make_app: MakeApp, realm: LocalProvider) -> AsyncIterator[FastAPI]:
    async with make_app(oidc_issuer=realm.issuer, public_url=ORIGIN) as app:
        yield app


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[Client]:
    async with client_of(app) as browser:
        yield browser


@pytest.fixture
def person(realm: LocalProvider, tenant: Tenant) -> dict[str, Any]:
    """Who logs in: the administrator of the test's tenant."""
    realm.grants.person = {
        "sub": "alice",
        "tenant_id": str(tenant.id),
        "roles": ["tenant-admin"],
    }
    return realm.grants.person


async def go_to_provider(browser: Client, **query: str) -> str:
    """Begin a login and return the address that the provider sends the browser back to."""
    begun = await browser.get("/oauth/login", params=query)
    assert begun.status_code == 303, begun.text
    async with Client() as outside:
        answer = await outside.get(begun.headers["location"])
    return str(answer.headers["location"])


async def come_back(browser: Client, address: str, **changes: str) -> Response:
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    return await browser.get("/oauth/callback", params=query | changes)


async def log_in(browser: Client, **query: str) -> None:
    answer = await come_back(browser, await go_to_provider(browser, **query))
    assert answer.status_code == 303, answer.text


async def test_a_browser_logs_in_works_and_logs_out(
    browser: Client, realm: LocalProvider, person: dict[str, Any]
) -> None:
    address = await go_to_provider(browser, return_to="/items?page=2")
    assert address.startswith(f"{ORIGIN}{API_PREFIX}/oauth/callback?")
    answer = await come_back(browser, address)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{ORIGIN}/items?page=2"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie

    assert (await browser.get("/auth/me")).json()["subject"] == "alice"
    renamed = await browser.patch("/tenant", json={"name": "Renamed"}, headers=FORM)
    assert renamed.status_code == 200, renamed.text

    kept = dict(browser.cookies)
    left = await browser.post("/oauth/logout", headers=FORM)
    assert left.status_code == 200
    end = urlsplit(left.json()["end_session_url"])
    assert end.path == "/realms/test/logout"
    assert parse_qs(end.query)["post_logout_redirect_uri"] == [f"{ORIGIN}/"]
    assert (await browser.get("/auth/me")).status_code == 401
    browser.cookies.update(kept)
    assert (await browser.get("/auth/me")).status_code == 401
    assert realm.requests["/revoke"] == 1


async def test_the_tokens_of_a_session_are_revoked_at_logout(
    app: FastAPI, browser: Client, person: dict[str, Any]
) -> None:
    await log_in(browser)
    (key,) = [
        key
        async for key in app.state.redis.scan_iter("session:*")
        if person["tenant_id"] in await token_in(app, key)
    ]
    token = (await app.state.redis.get(key)).split('"')[3]
    headers = {"Authorization": f"Bearer {token}"}
    async with client_of(app) as thief:
        assert (await thief.get("/auth/me", headers=headers)).status_code == 200
        assert (await browser.post("/oauth/logout", headers=FORM)).status_code == 200
        assert (await thief.get("/auth/me", headers=headers)).status_code == 401


async def token_in(app: FastAPI, key: str) -> str:
    """Return the claims of a session's access token, as text."""
    import jwt  # noqa: PLC0415

    token = (await app.state.redis.get(key)).split('"')[3]
    return str(jwt.decode(token, options={"verify_signature": False}))


async def test_redis_knows_no_cookie(app: FastAPI, browser: Client, person: dict[str, Any]) -> None:
    await log_in(browser)
    secret = browser.cookies["session"]
    assert not [key async for key in app.state.redis.scan_iter(f"*{secret}*")]


async def test_every_login_begins_a_session_with_a_secret_of_its_own(
    browser: Client, person: dict[str, Any]
) -> None:
    browser.cookies.set("session", "planted", domain="localhost.local")
    await log_in(browser)
    assert browser.cookies["session"] != "planted"
    first = browser.cookies["session"]
    await log_in(browser)
    assert browser.cookies["session"] != first


async def test_cookies_are_bound_to_the_host_where_the_page_is_served_securely(
    make_app: MakeApp, realm: LocalProvider, person: dict[str, Any]
) -> None:
    settings = {
        "oidc_issuer": realm.issuer,
        "public_url": ORIGIN,
        "session_cookie_secure": "true",
    }
    async with make_app(**settings) as app, client_of(app) as browser:
        begun = await browser.get("/oauth/login")
        cookie = begun.headers["set-cookie"].lower()
        assert cookie.startswith("__host-login=")
        assert "secure" in cookie
        assert "path=/;" in cookie
        assert "domain" not in cookie


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://elsewhere.test"}, {"Origin": "null"}])
async def test_another_site_cannot_act_with_the_cookie(
    browser: Client, person: dict[str, Any], headers: dict[str, str]
) -> None:
    await log_in(browser)
    for method, path in [("PATCH", "/tenant"), ("POST", "/auth/logout"), ("POST", "/oauth/logout")]:
        answer = await browser.request(method, path, json={"name": "x"}, headers=headers)
        assert answer.status_code == 403, path
        assert answer.json()["type"] == "/problems/cross-site-request"
    assert (await browser.get("/auth/me", headers=headers)).status_code == 200


async def test_a_code_cannot_be_slipped_to_another_browser(
    app: FastAPI, browser: Client, person: dict[str, Any]
) -> None:
    address = await go_to_provider(browser)
    async with client_of(app) as victim:
        answer = await come_back(victim, address)
        assert answer.status_code == 400
        assert "session" not in victim.cookies


async def test_a_login_can_be_completed_once(browser: Client, person: dict[str, Any]) -> None:
    address = await go_to_provider(browser)
    assert (await come_back(browser, address)).status_code == 303
    assert (await come_back(browser, address)).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [{"state": "x"}, {"code": "x"}, {"iss": "https://elsewhere.test"}],
)
async def test_an_answer_that_was_tampered_with_is_refused(
    browser: Client, person: dict[str, Any], changes: dict[str, str]
) -> None:
    address = await go_to_provider(browser)
    answer = await come_back(browser, address, **changes)
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/login-failed"
    assert "session" not in browser.cookies


async def test_an_id_token_of_another_login_is_refused(
    browser: Client, realm: LocalProvider, person: dict[str, Any]
) -> None:
    realm.grants.nonce = "another"
    answer = await come_back(browser, await go_to_provider(browser))
    assert answer.status_code == 401
    assert "another login" in answer.json()["detail"]


async def test_two_logins_at_once_in_one_browser_both_succeed(
    browser: Client, person: dict[str, Any]
) -> None:
    addresses = [await go_to_provider(browser) for _ in range(2)]
    assert [(await come_back(browser, each)).status_code for each in addresses] == [303, 303]


async def test_who_turns_back_at_the_provider_returns_to_the_page(
    browser: Client, realm: LocalProvider, person: dict[str, Any]
) -> None:
    realm.grants.refuse_login = True
    answer = await come_back(browser, await go_to_provider(browser, return_to="/a?b=c"))
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{ORIGIN}/a?b=c&login_error=access_denied"


@pytest.mark.parametrize("path", ["https://elsewhere.test", "//elsewhere.test", "/\\e.test", "x"])
async def test_a_login_leads_nowhere_else(browser: Client, path: str) -> None:
    assert (await browser.get("/oauth/login", params={"return_to": path})).status_code == 422


async def test_an_access_token_that_ends_soon_is_renewed_once(
    browser: Client, realm: LocalProvider, person: dict[str, Any]
) -> None:
    realm.grants.lifetime = 50
    await log_in(browser)
    realm.grants.lifetime, realm.grants.delay = 900, 0.3
    exchanges = realm.requests["/token"]
    answers = await asyncio.gather(*(browser.get("/auth/me") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert realm.requests["/token"] == exchanges + 1
    assert (await browser.get("/auth/me")).status_code == 200
    assert realm.requests["/token"] == exchanges + 1


async def test_a_request_that_comes_to_a_renewal_too_late_does_not_repeat_it(
    app: FastAPI, browser: Client, realm: LocalProvider, person: dict[str, Any]
) -> None:
    realm.grants.lifetime = 50
    await log_in(browser)
    realm.grants.lifetime = 900
    sessions = app.state.identity.sessions
    key = _key(browser.cookies["session"])
    before = await sessions._load(key)
    after = await sessions._renew(key, before)
    assert after.refresh_token != before.refresh_token
    assert await sessions._renew(key, before) == after
    assert (await browser.get("/auth/me")).status_code == 200


async def test_requests_wait_for_the_renewal_of_a_token_that_has_ended(
    app: FastAPI, browser: Client, realm: LocalProvider, person: dict[str, Any]
) -> None:
    await log_in(browser)
    key = _key(browser.cookies["session"])
    tokens = json.loads(await app.state.redis.get(key))
    ended = tokens | {"access_token": "no longer good", "expires_at": 0}
    await app.state.redis.set(key, json.dumps(ended))
    realm.grants.delay = 0.3
    answers = await asyncio.gather(*(browser.get("/auth/me") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_session_that_the_provider_has_ended_is_over(
    browser: Client, realm: LocalProvider, person: dict[str, Any]
) -> None:
    realm.grants.lifetime = 50
    await log_in(browser)
    realm.grants._refresh_tokens.clear()
    assert (await browser.get("/auth/me")).status_code == 401


async def test_while_the_provider_is_away_a_good_token_is_used_on(
    browser: Client, realm: LocalProvider, person: dict[str, Any]
) -> None:
    realm.grants.lifetime = 50
    await log_in(browser)
    realm.stop()
    assert (await browser.get("/auth/me")).status_code == 200


async def test_nobody_logs_in_while_the_provider_is_away(
    browser: Client, realm: LocalProvider, person: dict[str, Any]
) -> None:
    address = await go_to_provider(browser)
    realm.stop()
    answer = await come_back(browser, address)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


async def test_a_session_that_is_not_used_ends(
    make_app: MakeApp, realm: LocalProvider, person: dict[str, Any]
) -> None:
    settings = {
        "oidc_issuer": realm.issuer,
        "public_url": ORIGIN,
        "session_lifetime_seconds": "1000",
    }
    async with make_app(**settings) as app, client_of(app) as browser:
        redis = app.state.redis
        await log_in(browser)
        key = _key(browser.cookies["session"])
        assert 900 < await redis.ttl(key) <= 1000
        # What Redis does at the end of its time, the test does; a request puts it off.
        await redis.expire(key, 500)
        assert (await browser.get("/auth/me")).status_code == 200
        assert 900 < await redis.ttl(key) <= 1000
        await redis.expire(key, 0)
        assert (await browser.get("/auth/me")).status_code == 401


async def test_a_tenant_offers_its_own_identity_providers(
    app: FastAPI, browser: Client, tenant: Tenant, make_tenant: MakeTenant
) -> None:
    async with app.state.database.transaction(tenant.id) as session:
        for alias, enabled in [("b-sso", True), ("a-sso", True), ("old", False)]:
            session.add(
                OAuthProvider(
                    tenant_id=tenant.id,
                    alias=alias,
                    display_name=alias.upper(),
                    is_enabled=enabled,
                )
            )
    offered = await browser.get("/oauth/providers", params={"tenant": tenant.slug})
    assert offered.json() == [
        {"alias": "a-sso", "display_name": "A-SSO"},
        {"alias": "b-sso", "display_name": "B-SSO"},
    ]
    other = await make_tenant()
    for slug in (other.slug, "nobody"):
        answer = await browser.get("/oauth/providers", params={"tenant": slug})
        assert answer.json() == []
    begun = await browser.get("/oauth/login", params={"tenant": tenant.slug, "provider": "a-sso"})
    assert parse_qs(urlsplit(begun.headers["location"]).query)["kc_idp_hint"] == ["a-sso"]
    for query in (
        {"tenant": tenant.slug, "provider": "old"},
        {"tenant": other.slug, "provider": "a-sso"},
        {"provider": "a-sso"},
    ):
        assert (await browser.get("/oauth/login", params=query)).status_code == 404, query


async def test_a_login_for_a_tenant_is_for_its_people_only(
    browser: Client, person: dict[str, Any], tenant: Tenant, make_tenant: MakeTenant
) -> None:
    await log_in(browser, tenant=tenant.slug)
    browser.cookies.clear()
    for slug in ((await make_tenant()).slug, f"no-{uuid4().hex}"):
        address = await go_to_provider(browser, tenant=slug)
        answer = await come_back(browser, address)
        assert answer.status_code == 403
        assert answer.json()["type"] == "/problems/tenant-mismatch"
    assert "session" not in browser.cookies
