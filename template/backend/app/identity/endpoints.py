"""The routes of identity, and what runs with them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from app.identity.auth_endpoints import router as auth
from app.identity.oauth_endpoints import router as oauth
from app.identity.services import Identity
from app.identity.user_endpoints import router as users


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Close what identity has opened, when the application stops."""
    yield
    identity: Identity | None = getattr(app.state, "identity", None)
    if identity is not None:
        await identity.close()


router = APIRouter(lifespan=lifespan)
for part in (auth, users, oauth):
    router.include_router(part)
