from uuid import uuid4

import pytest

from app.tenancy.models import Tenant
from tests.conftest import Client, Login, MakeTenant


@pytest.fixture
async def alice(login: Login, tenant: Tenant) -> Client:
    return await login(tenant, "alice", roles=["tenant-admin"])


@pytest.fixture
async def bob(login: Login, tenant: Tenant) -> Client:
    return await login(tenant, "bob")


async def create(client: Client, title: str = "Water the trees") -> str:
    """Create a todo and return its path."""
    response = await client.post("/todos", json={"title": title})
    assert response.status_code == 201
    return f"/todos/{response.json()['id']}"


async def titles(client: Client) -> list[str]:
    """Return the titles on a client's first page."""
    return [todo["title"] for todo in (await client.get("/todos")).json()["items"]]


async def test_a_todo_is_created_read_changed_and_deleted(bob: Client) -> None:
    path = await create(bob, "  Water the trees ")
    created = (await bob.get(path)).json()
    changed = (await bob.patch(path, json={"completed": True})).json()
    deleted = await bob.delete(path)

    assert (created["title"], created["completed"]) == ("Water the trees", False)
    assert (changed["title"], changed["completed"]) == ("Water the trees", True)
    assert changed["updated_at"] > created["updated_at"]
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await bob.get(path)).status_code == 404


@pytest.mark.parametrize("title", ["", "   ", "x" * 201, None, 7])
async def test_a_title_has_1_to_200_characters(bob: Client, title: object) -> None:
    response = await bob.post("/todos", json={"title": title})

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "body.title"


async def test_pages_join_up_while_new_todos_arrive(bob: Client) -> None:
    for number in range(5):
        await create(bob, str(number))

    first = (await bob.get("/todos", params={"limit": 2})).json()
    await create(bob, "new")
    second = (await bob.get("/todos", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    third = (await bob.get("/todos", params={"limit": 2, "cursor": second["next_cursor"]})).json()

    pages = [[todo["title"] for todo in page["items"]] for page in (first, second, third)]
    assert pages == [["4", "3"], ["2", "1"], ["0"]]
    assert third["next_cursor"] is None


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"cursor": "x"}])
async def test_a_page_that_makes_no_sense_is_refused(bob: Client, query: dict[str, str]) -> None:
    response = await bob.get("/todos", params=query)

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == f"query.{next(iter(query))}"


async def test_another_tenant_s_todo_does_not_exist(
    bob: Client, login: Login, make_tenant: MakeTenant
) -> None:
    path = await create(bob)
    carol = await login(await make_tenant(), "carol", roles=["tenant-admin"])

    statuses = [
        (await carol.get(path)).status_code,
        (await carol.patch(path, json={"completed": True})).status_code,
        (await carol.delete(path)).status_code,
    ]

    assert statuses == [404, 404, 404]
    assert await titles(carol) == []
    assert (await bob.get(path)).json()["completed"] is False


async def test_a_member_changes_their_own_todos_and_an_administrator_anyone_s(
    alice: Client, bob: Client
) -> None:
    hers, his = await create(alice, "hers"), await create(bob, "his")

    assert (await bob.get(hers)).status_code == 200
    assert (await bob.patch(hers, json={"title": "mine"})).status_code == 403
    assert (await bob.delete(hers)).status_code == 403
    assert (await alice.patch(his, json={"completed": True})).status_code == 200
    assert (await alice.delete(his)).status_code == 204


async def test_with_read_mine_alone_one_sees_one_s_own(
    alice: Client, login: Login, tenant: Tenant
) -> None:
    scopes = ["statements/read/mine", "statements/write"]
    bob = await login(tenant, "bob", scopes=scopes)
    hers = await create(alice, "hers")
    await create(bob, "his")

    assert await titles(bob) == ["his"]
    assert (await bob.get(hers)).status_code == 404
    assert (await bob.patch(hers, json={"title": "mine"})).status_code == 404


async def test_reading_is_not_writing(login: Login, tenant: Tenant) -> None:
    reader = await login(tenant, scopes=["statements/read"])

    assert (await reader.get("/todos")).status_code == 200
    assert (await reader.post("/todos", json={"title": "x"})).status_code == 403


async def test_what_is_not_there_is_not_found(bob: Client) -> None:
    path = f"/todos/{uuid4()}"

    assert (await bob.get(path)).status_code == 404
    assert (await bob.patch(path, json={"title": "x"})).status_code == 404
    assert (await bob.delete(path)).status_code == 404
    assert (await bob.get("/todos/none")).status_code == 422


async def test_nobody_reads_without_a_token(client: Client) -> None:
    response = await client.get("/todos")

    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
