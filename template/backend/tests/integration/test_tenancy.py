import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import select, text

from app.core.settings import get_settings
from app.project import API_PREFIX
from app.tenancy import seed
from app.tenancy.dependencies import TenantSession
from app.tenancy.models import Tenant
from tests.conftest import Client, Login, MakeApp, MakeTenant, TokenFor, client_of
from tests.servers import Servers


@pytest.fixture
async def platform(login: Login) -> Client:
    """A client of the platform's administrator."""
    return await login(None, "root", scopes=["admin"], roles=["platform-admin"])


async def test_a_member_reads_the_own_tenant(login: Login, tenant: Tenant) -> None:
    client = await login(tenant)

    response = await client.get("/tenant")

    assert response.status_code == 200
    assert response.json()["slug"] == tenant.slug


async def test_an_administrator_renames_it_and_a_member_does_not(
    login: Login, tenant: Tenant
) -> None:
    member, admin = await login(tenant, "bob"), await login(tenant, roles=["tenant-admin"])

    refused = await member.patch("/tenant", json={"name": "Mine"})
    renamed = await admin.patch("/tenant", json={"name": "  Acme Corporation "})

    assert refused.status_code == 403
    assert renamed.json()["name"] == "Acme Corporation"
    assert (await member.get("/tenant")).json()["name"] == "Acme Corporation"


@pytest.mark.parametrize("named", ["other", "malformed"])
async def test_a_header_that_names_another_tenant_is_refused(
    login: Login, tenant: Tenant, make_tenant: MakeTenant, named: str
) -> None:
    client = await login(tenant)
    other = str((await make_tenant()).id) if named == "other" else "x"

    response = await client.get("/tenant", headers={"X-Tenant-ID": other})

    assert response.status_code == 403
    assert response.json()["type"] == "/problems/tenant-mismatch"


async def test_a_header_that_names_the_own_tenant_is_fine(login: Login, tenant: Tenant) -> None:
    client = await login(tenant)

    response = await client.get("/tenant", headers={"X-Tenant-ID": str(tenant.id).upper()})

    assert response.status_code == 200


async def test_a_subdomain_that_names_another_tenant_is_refused(
    login: Login, tenant: Tenant, make_tenant: MakeTenant
) -> None:
    client, other = await login(tenant), await make_tenant()
    hosts = {"own": tenant.slug, "other": other.slug, "api": "api"}

    statuses = {
        name: (await client.get("/tenant", headers={"Host": f"{host}.localhost"})).status_code
        for name, host in hosts.items()
    }

    assert statuses == {"own": 200, "other": 403, "api": 200}


async def test_an_unknown_tenant_is_refused(login: Login) -> None:
    client = await login(uuid4())

    response = await client.get("/tenant")

    assert response.status_code == 403
    assert response.json()["type"] == "/problems/tenant-inactive"


async def test_a_deactivated_tenant_is_out_from_the_next_request_on(
    login: Login, platform: Client, tenant: Tenant
) -> None:
    client = await login(tenant)
    statuses = [(await client.get("/tenant")).status_code]

    for action in ("deactivate", "activate"):
        assert (await platform.post(f"/tenants/{tenant.id}/{action}")).status_code == 200
        statuses.append((await client.get("/tenant")).status_code)

    assert statuses == [200, 403, 200]


async def test_the_platform_s_administrator_manages_tenants_and_reads_no_tenant_s_rows(
    login: Login, platform: Client
) -> None:
    slug = f"t-{uuid4().hex}"
    created = await platform.post("/tenants", json={"slug": slug, "name": "New"})
    again = await platform.post("/tenants", json={"slug": slug, "name": "Again"})
    listed = await platform.get("/tenants", params={"limit": 1})
    refused = [await platform.get(path) for path in ("/tenant", "/users")]

    assert created.status_code == 201
    assert again.status_code == 409
    assert listed.json()["items"] == [created.json()]
    assert listed.json()["next_cursor"]
    assert [answer.status_code for answer in refused] == [403, 403]
    client = await login(UUID(created.json()["id"]))
    assert (await client.get("/tenant")).json()["slug"] == slug


@pytest.mark.parametrize("slug", ["A", "-a", "a-", "9a", "a_b", "api", "a" * 64, ""])
async def test_a_slug_must_do_as_a_subdomain(platform: Client, slug: str) -> None:
    response = await platform.post("/tenants", json={"slug": slug, "name": "x"})

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "body.slug"


async def test_nobody_else_manages_tenants(login: Login, tenant: Tenant) -> None:
    admin = await login(tenant, roles=["tenant-admin"])

    assert (await admin.get("/tenants")).status_code == 403
    assert (await admin.post(f"/tenants/{tenant.id}/deactivate")).status_code == 403


async def test_an_unknown_tenant_is_not_found(platform: Client) -> None:
    assert (await platform.post(f"/tenants/{uuid4()}/activate")).status_code == 404


async def test_the_commit_comes_before_the_answer(
    make_app: MakeApp, servers: Servers, tenant: Tenant, token_for: TokenFor
) -> None:
    # Its constraint is checked at the commit, when the endpoint has returned long since.
    servers.execute(
        "CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
        f"GRANT INSERT ON late TO {servers.roles.app}",
    )
    try:
        async with make_app() as app:

            @app.post(f"{API_PREFIX}/late", status_code=201)
            async def late(session: TenantSession) -> dict[str, Any]:
                await session.execute(text("INSERT INTO late VALUES (1), (1)"))
                return {"created": True}

            async with client_of(app, token_for(tenant)) as client:
                response = await client.post("/late")
    finally:
        servers.execute("DROP TABLE late")

    assert response.status_code == 500


async def test_the_example_tenants_are_added_once_and_kept_as_they_are(app: FastAPI) -> None:
    await seed.seed(get_settings())
    async with app.state.database.transaction() as session:
        acme = await session.get_one(Tenant, seed.TENANTS[0]["id"])
        acme.name = "Renamed"
    await seed.seed(get_settings())

    async with app.state.database.transaction() as session:
        ids = [tenant["id"] for tenant in seed.TENANTS]
        found = await session.scalars(select(Tenant).where(Tenant.id.in_(ids)))
        names = {tenant.slug: tenant.name for tenant in found}
    assert names == {"acme": "Renamed", "globex": "Globex"}


def test_they_are_kept_out_of_production(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = get_settings().model_copy(update={"env": "production"})
    monkeypatch.setattr(seed, "get_settings", lambda: settings)

    with pytest.raises(SystemExit, match="ENV is production"):
        seed.main()


@pytest.mark.parametrize("name", ["\0", "a\0b", "a\nb", " ", "\u3000", "\ud800", "x" * 201])
async def test_a_name_is_one_line_with_something_in_it(
    login: Login, tenant: Tenant, name: str
) -> None:
    alice = await login(tenant, "alice", roles=["tenant-admin"])
    sent = {"content": json.dumps({"name": name}), "headers": {"Content-Type": "application/json"}}
    answer = await alice.patch("/tenant", **sent)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] in {"body", "body.name"}
