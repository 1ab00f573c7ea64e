"""The team's own code, one folder for each domain. No release changes this file."""

from typing import Final

from fastapi import APIRouter

from app.modules.todos.endpoints import router as todos

# What is served under the API's prefix.
ROUTERS: Final[tuple[APIRouter, ...]] = (todos,)
