"""The API's routes: the core's, identity's, tenancy's, and the team's own modules."""

from fastapi import APIRouter

from app.core.health import router as health
from app.identity.endpoints import router as identity
from app.modules import ROUTERS
from app.tenancy.endpoints import router as tenancy

router = APIRouter()
for part in (health, identity, tenancy, *ROUTERS):
    router.include_router(part)
