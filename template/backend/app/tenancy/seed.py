"""Two tenants to develop and test with: `python -m app.tenancy.seed`."""

import asyncio
import sys
from typing import Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from app.core.database import Database
from app.core.settings import Settings, get_settings
from app.tenancy.models import Tenant

# The ids are fixed: the realm's users carry them, see keycloak/realm.json.
TENANTS: Final = (
    {"id": UUID("0e5b1c5e-0000-4000-8000-00000000ac3e"), "slug": "acme", "name": "Acme"},
    {"id": UUID("0e5b1c5e-0000-4000-8000-0000000910be"), "slug": "globex", "name": "Globex"},
)


async def seed(settings: Settings) -> None:
    """Add the tenants that are missing; those that are there stay as they are."""
    database = Database(settings)
    try:
        async with database.transaction() as session:
            await session.execute(insert(Tenant).values(TENANTS).on_conflict_do_nothing())
    finally:
        await database.close()


def main() -> None:
    """Seed the database of the settings, unless real people use it."""
    settings = get_settings()
    if settings.is_protected:
        sys.exit(f"ENV is {settings.env}: example tenants belong in development and test only.")
    asyncio.run(seed(settings))


if __name__ == "__main__":
    main()
