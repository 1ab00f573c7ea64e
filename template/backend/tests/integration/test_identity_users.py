import asyncio
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI

from app.identity.scopes import Role
from app.identity.service import LastAdministratorError, change_role
from app.tenancy.models import Tenant
from tests.conftest import Client, Login, MakeTenant
from tests.servers import Servers, until


@pytest.fixture
async def alice(login: Login, tenant: Tenant) -> Client:
    """The administrator of the test's tenant."""
    return await login(tenant, "alice", roles=["tenant-admin"])


async def id_of(client: Client) -> str:
    answer = await client.get("/auth/me")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def test_users_are_listed_page_by_page(alice: Client, login: Login, tenant: Tenant) -> None:
    ids = {await id_of(alice)}
    for number in range(4):
        ids.add(await id_of(await login(tenant, f"member-{number}")))
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await alice.get("/users", params=query)).json()
        assert len(page["items"]) <= 2
        seen += [user["id"] for user in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == 5
    assert set(seen) == ids


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"cursor": "x"}])
async def test_a_page_that_makes_no_sense_is_refused(
    alice: Client, query: dict[str, object]
) -> None:
    answer = await alice.get("/users", params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == f"query.{next(iter(query))}"


async def test_members_do_not_administer(login: Login, tenant: Tenant, alice: Client) -> None:
    bob, target = await login(tenant, "bob"), await id_of(alice)
    for method, path in [
        ("GET", "/users"),
        ("GET", f"/users/{target}"),
        ("PATCH", f"/users/{target}"),
        ("POST", f"/users/{target}/deactivate"),
        ("POST", f"/users/{target}/activate"),
    ]:
        answer = await bob.request(method, path, json={"role": "member"})
        assert answer.status_code == 403, (method, path)


async def test_the_scope_is_needed_besides_the_role(login: Login, tenant: Tenant) -> None:
    narrow = await login(tenant, "alice", roles=["tenant-admin"], scopes=["statements/read"])
    assert (await narrow.get("/auth/me")).json()["role"] == "admin"
    assert (await narrow.get("/users")).status_code == 403


async def test_another_tenants_users_do_not_exist(
    alice: Client, login: Login, make_tenant: MakeTenant
) -> None:
    carol = await login(await make_tenant(), "carol", roles=["tenant-admin"])
    target = await id_of(carol)
    await id_of(alice)
    assert target not in {user["id"] for user in (await alice.get("/users")).json()["items"]}
    for method, path in [
        ("GET", f"/users/{target}"),
        ("PATCH", f"/users/{target}"),
        ("POST", f"/users/{target}/deactivate"),
        ("POST", f"/users/{target}/activate"),
        ("GET", f"/users/{uuid4()}"),
    ]:
        answer = await alice.request(method, path, json={"role": "member"})
        assert answer.status_code == 404, (method, path)
    assert (await carol.get("/users")).status_code == 200


async def test_the_last_administrator_stays(alice: Client, login: Login, tenant: Tenant) -> None:
    own = await id_of(alice)
    bob = await login(tenant, "bob")
    bobs = await id_of(bob)
    for method, path in [("PATCH", f"/users/{own}"), ("POST", f"/users/{own}/deactivate")]:
        answer = await alice.request(method, path, json={"role": "member"})
        assert answer.status_code == 409
        assert answer.json()["type"] == "/problems/last-administrator"
    assert (await alice.patch(f"/users/{bobs}", json={"role": "admin"})).status_code == 200
    assert (await alice.patch(f"/users/{own}", json={"role": "member"})).status_code == 200
    assert (await alice.get("/users")).status_code == 403
    assert (await bob.get("/users")).status_code == 200


async def test_a_deactivated_administrator_does_not_count(
    alice: Client, login: Login, tenant: Tenant
) -> None:
    own, second = await id_of(alice), await login(tenant, "dan", roles=["tenant-admin"])
    assert (await alice.post(f"/users/{await id_of(second)}/deactivate")).status_code == 200
    assert (await alice.patch(f"/users/{own}", json={"role": "member"})).status_code == 409


async def test_of_two_changes_at_once_the_second_sees_the_first(
    app: FastAPI, alice: Client, login: Login, tenant: Tenant, servers: Servers
) -> None:
    first = UUID(await id_of(alice))
    second = UUID(await id_of(await login(tenant, "dan", roles=["tenant-admin"])))
    database = app.state.database

    async def demote_second() -> None:
        async with database.transaction(tenant.id) as session:
            await change_role(session, second, Role.MEMBER)

    async def somebody_waits() -> bool:
        assert not other.done()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        return await asyncio.to_thread(servers.execute, waiting) == "1"

    async with database.transaction(tenant.id) as session:
        await change_role(session, first, Role.MEMBER)
        other = asyncio.create_task(demote_second())
        await until(somebody_waits)
    with pytest.raises(LastAdministratorError):
        await other


async def test_administrators_who_remove_each_other_at_once_leave_one(
    login: Login, tenant: Tenant
) -> None:
    admins = [await login(tenant, name, roles=["tenant-admin"]) for name in ("ann", "ben", "cid")]
    ids = [await id_of(admin) for admin in admins]
    # Everybody demotes the next one, so that nobody would be left.
    answers = await asyncio.gather(
        *(
            admin.patch(f"/users/{ids[(number + 1) % 3]}", json={"role": "member"})
            for number, admin in enumerate(admins)
        )
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert set(statuses) <= {200, 403, 409}
    left = [(await admin.get("/users")).status_code for admin in admins].count(200)
    assert left == 3 - statuses.count(200)
    assert left >= 1


async def test_a_role_that_does_not_exist_is_refused(alice: Client) -> None:
    own = await id_of(alice)
    for body in ({"role": "owner"}, {"role": None}, {}, {"role": "admin", "is_active": False}):
        answer = await alice.patch(f"/users/{own}", json=body)
        assert answer.status_code == 422, body
