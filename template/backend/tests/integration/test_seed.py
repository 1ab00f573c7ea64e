import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.core.settings import get_settings
from app.tenancy import seed
from app.tenancy.models import Tenant


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
