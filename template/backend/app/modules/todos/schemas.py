"""Todos as the API shows and takes them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from app.tenancy.schemas import Name

Title = Annotated[Name, Field(examples=["Water the trees"])]


class TodoCreate(BaseModel):
    """A new todo."""

    title: Title


class TodoUpdate(BaseModel):
    """What to change; what is left out or null stays."""

    title: Title | None = None
    # Without "strict" 0 and "yes" would be taken too, which the API's description does not say.
    completed: StrictBool | None = Field(default=None, examples=[True])


class TodoRead(BaseModel):
    """A todo."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str = Field(examples=["Water the trees"])
    completed: bool
    created_at: datetime
    updated_at: datetime
