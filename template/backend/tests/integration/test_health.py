from uuid import uuid4

from dev.ports import any_free_port
from tests.conftest import Client, MakeApp, TokenFor, client_of


async def test_alive(client: Client) -> None:
    response = await client.get("/health")

    assert (response.status_code, response.json()) == (200, {"status": "healthy"})


async def test_ready(client: Client) -> None:
    response = await client.get("/health/ready")

    assert response.status_code == 200
    assert response.json() == {"status": "ready", "database": "ok", "redis": "ok"}


async def test_without_redis_it_serves(make_app: MakeApp) -> None:
    away = f"redis://127.0.0.1:{any_free_port()}/0"
    async with make_app(redis_url=away) as app, client_of(app) as client:
        response = await client.get("/health/ready")

    assert response.status_code == 200
    assert response.json() == {"status": "ready", "database": "ok", "redis": "degraded"}


async def test_without_its_database_it_is_alive_and_not_ready(make_app: MakeApp) -> None:
    async with make_app(postgres_port=any_free_port()) as app, client_of(app) as client:
        alive, ready = await client.get("/health"), await client.get("/health/ready")

    assert alive.status_code == 200
    assert ready.status_code == 503
    assert ready.headers["content-type"] == "application/problem+json"
    assert (ready.json()["database"], ready.json()["redis"]) == ("unavailable", "ok")


async def test_a_request_without_a_database_is_told_to_come_back(
    make_app: MakeApp, token_for: TokenFor
) -> None:
    token = token_for(uuid4())
    async with make_app(postgres_port=any_free_port()) as app, client_of(app, token) as client:
        response = await client.get("/todos")

    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert response.json()["detail"] == "The database does not answer."


async def test_a_busy_pool_is_no_reason_to_send_no_more_requests(make_app: MakeApp) -> None:
    async with (
        make_app(db_pool_size=1, db_max_overflow=0) as app,
        client_of(app) as client,
        app.state.database.engine.connect(),
    ):
        response = await client.get("/health/ready")

    assert response.status_code == 200
