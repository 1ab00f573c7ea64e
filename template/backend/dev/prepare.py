"""Bring the database up to date and add the example tenants.

Both in one process: importing the application takes longer than either.
"""

from alembic import command
from alembic.config import Config

from app.tenancy import seed
from dev.environment import ROOT


def main() -> None:
    """Do what `alembic upgrade heads` and `python -m app.tenancy.seed` do."""
    command.upgrade(Config(ROOT / "backend" / "alembic.ini"), "heads")
    seed.main()


if __name__ == "__main__":
    main()
