import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.identity.models import User
from app.tenancy.models import Tenant
from tests.conftest import Client, Login, MakeApp, MakeTenant, TokenFor, client_of
from tests.identity_provider import LocalProvider


async def test_without_a_token_nobody_gets_in(client: Client) -> None:
    answer = await client.get("/auth/me")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "Bearer x", "bearer a.b.c", "Basic eDp5", "Bearer é.é.é"]
)
async def test_what_is_no_token_is_refused(client: Client, value: str) -> None:
    answer = await client.get("/auth/me", headers={"Authorization": value.encode()})
    assert answer.status_code == 401
    assert answer.json()["title"]


async def test_a_caller_is_told_who_they_are(login: Login, tenant: Tenant) -> None:
    alice = await login(tenant, "alice", roles=["tenant-admin"])
    answer = await alice.get("/auth/me")
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("id")
    assert body == {
        "subject": "alice",
        "email": "alice@example.test",
        "name": "Alice",
        "role": "admin",
        "scopes": [
            "state/read",
            "state/write",
            "statements/read",
            "statements/read/mine",
            "statements/write",
            "tenant/admin",
        ],
        "tenant": {"id": str(tenant.id), "slug": tenant.slug, "name": tenant.name},
    }


async def test_the_scheme_is_read_in_any_case(
    client: Client, token_for: TokenFor, tenant: Tenant
) -> None:
    headers = {"Authorization": f"bEARER  {token_for(tenant)}"}
    assert (await client.get("/auth/me", headers=headers)).status_code == 200


async def test_the_first_requests_of_a_user_make_one_user(login: Login, tenant: Tenant) -> None:
    bob = await login(tenant, "bob")
    answers = await asyncio.gather(*(bob.get("/auth/me") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_role_in_the_token_counts_at_the_first_login_only(
    login: Login, tenant: Tenant
) -> None:
    assert (await (await login(tenant, "bob")).get("/auth/me")).json()["role"] == "member"
    promoted = await login(tenant, "bob", roles=["tenant-admin"])
    assert (await promoted.get("/auth/me")).json()["role"] == "member"
    assert (await promoted.get("/users")).status_code == 403


async def test_a_person_is_another_user_in_another_tenant(
    login: Login, make_tenant: MakeTenant
) -> None:
    ids = set()
    for _ in range(2):
        answer = await (await login(await make_tenant(), "alice")).get("/auth/me")
        ids.add(answer.json()["id"])
    assert len(ids) == 2


async def test_a_deactivated_user_is_refused_with_a_good_token(
    login: Login, tenant: Tenant
) -> None:
    alice = await login(tenant, "alice", roles=["tenant-admin"])
    bob = await login(tenant, "bob")
    bobs_id = (await bob.get("/auth/me")).json()["id"]
    assert (await alice.post(f"/users/{bobs_id}/deactivate")).status_code == 200
    answer = await bob.get("/auth/me")
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/user-deactivated"
    assert (await alice.post(f"/users/{bobs_id}/activate")).status_code == 200
    assert (await bob.get("/auth/me")).status_code == 200


async def test_a_demoted_administrator_loses_the_scope_at_once(
    login: Login, tenant: Tenant
) -> None:
    alice = await login(tenant, "alice", roles=["tenant-admin"])
    carol = await login(tenant, "carol", roles=["tenant-admin"])
    carols_id = (await carol.get("/auth/me")).json()["id"]
    assert (await carol.get("/users")).status_code == 200
    answer = await alice.patch(f"/users/{carols_id}", json={"role": "member"})
    assert answer.json()["role"] == "member"
    assert (await carol.get("/users")).status_code == 403
    assert "tenant/admin" not in (await carol.get("/auth/me")).json()["scopes"]


async def test_another_tenant_must_not_be_named(
    login: Login, tenant: Tenant, make_tenant: MakeTenant
) -> None:
    alice, other = await login(tenant), await make_tenant()
    same = await alice.get("/auth/me", headers={"X-Tenant-ID": str(tenant.id)})
    assert same.status_code == 200
    for named in (str(other.id), str(uuid4()), "acme", ""):
        answer = await alice.get("/auth/me", headers={"X-Tenant-ID": named})
        assert answer.status_code == 403, named
        assert answer.json()["type"] == "/problems/tenant-mismatch"


async def test_an_unknown_tenant_is_refused(client: Client, provider: LocalProvider) -> None:
    token = provider.token(tenant_id=uuid4())
    answer = await client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403


async def test_a_platforms_administrator_manages_tenants_and_sees_no_tenants_data(
    login: Login,
) -> None:
    root = await login(None, "root", scopes=["admin", "tenant/admin", "statements/read"])
    assert (await root.get("/tenants")).status_code == 200
    assert (await root.get("/auth/me")).json()["scopes"] == ["admin"]
    for path in ("/users", "/tenant"):
        assert (await root.get(path)).status_code == 403, path


async def test_the_platform_is_closed_to_tenants_administrators(
    login: Login, tenant: Tenant
) -> None:
    alice = await login(tenant, "alice", roles=["tenant-admin"])
    assert (await alice.get("/tenants")).status_code == 403


async def test_a_logout_counts_for_every_token_of_the_session_and_no_other(
    client: Client, token_for: TokenFor, tenant: Tenant
) -> None:
    session = uuid4().hex
    first, second = (token_for(tenant, sid=session) for _ in range(2))
    other, without = token_for(tenant), token_for(tenant, sid=None)

    async def ask(token: str) -> int:
        answer = await client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code

    async def leave(token: str) -> int:
        answer = await client.post("/auth/logout", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code

    assert [await ask(token) for token in (first, second, other, without)] == [200] * 4
    assert await leave(first) == 204
    assert [await ask(token) for token in (first, second, other, without)] == [401, 401, 200, 200]
    assert await leave(without) == 204
    assert await ask(without) == 401
    assert await leave(first) == 401


async def test_a_revocation_is_kept_as_long_as_a_token_may_live_and_no_longer(
    app: FastAPI, login: Login, tenant: Tenant
) -> None:
    session = uuid4().hex
    assert (await (await login(tenant, sid=session)).post("/auth/logout")).status_code == 204
    assert 880 < await app.state.redis.ttl(f"revoked:sid:{session}") < 920


async def test_profile_and_time_of_the_last_visit_are_kept_up_to_date(
    app: FastAPI, login: Login, tenant: Tenant
) -> None:
    await (await login(tenant, "dora")).get("/auth/me")
    long_ago = datetime.now(UTC) - timedelta(days=1)
    async with app.state.database.transaction(tenant.id) as session:
        await session.execute(update(User).values(last_seen_at=long_ago))
    renamed = await login(tenant, "dora", email="new@example.test", name="Dora D.")
    answers = await asyncio.gather(*(renamed.get("/auth/me") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    async with app.state.database.transaction(tenant.id) as session:
        user = await session.scalar(select(User))
    assert (user.email, user.name) == ("new@example.test", "Dora D.")
    assert datetime.now(UTC) - user.last_seen_at < timedelta(minutes=1)


async def test_a_key_rotation_and_an_absent_provider_do_not_stop_the_application(
    make_app: MakeApp, tenant: Tenant
) -> None:
    with LocalProvider("ES256") as provider:
        settings = {"oidc_issuer": provider.issuer, "jwks_refresh_interval_seconds": "0.05"}
        async with make_app(**settings) as app, client_of(app) as client:

            async def ask(token: str) -> int:
                answer = await client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
                return answer.status_code

            provider.stop()
            assert await ask(provider.token(tenant_id=tenant.id)) == 503
            provider.start()
            await asyncio.sleep(0.1)
            assert await ask(provider.token(tenant_id=tenant.id)) == 200

            old = provider.token(tenant_id=tenant.id)
            provider.rotate_keys("RS256")
            await asyncio.sleep(0.1)
            assert await ask(provider.token(tenant_id=tenant.id)) == 200
            assert await ask(old) == 401

            provider.stop()
            assert await ask(provider.token(tenant_id=tenant.id)) == 200


async def test_a_provider_of_another_name_is_not_trusted(
    make_app: MakeApp, provider: LocalProvider, tenant: Tenant
) -> None:
    alias = provider.issuer.replace("127.0.0.1", "localhost")
    async with make_app(oidc_issuer=alias) as app, client_of(app) as client:
        token = provider.token(tenant_id=tenant.id, iss=alias)
        answer = await client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 503


async def test_the_provider_may_have_another_address_inside(
    make_app: MakeApp, provider: LocalProvider, tenant: Tenant
) -> None:
    """Browsers know the issuer by a name that cannot be reached from here, as in a cluster."""
    with LocalProvider("ES256") as inside:
        origin, inside.issuer = inside.issuer, "https://login.example.test/realms/test"
        settings = {
            "oidc_issuer": inside.issuer,
            "oidc_internal_url": origin.removesuffix("/realms/test"),
        }
        async with make_app(**settings) as app, client_of(app) as client:
            token = inside.token(tenant_id=tenant.id)
            answer = await client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 200
            config = (await client.get("/auth/config")).json()
            assert config["issuer"] == "https://login.example.test/realms/test"
            begun = await client.get("/oauth/login")
            assert begun.headers["location"].startswith("https://login.example.test/realms/test/")
