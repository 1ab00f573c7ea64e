"""One form for every error: problem details, RFC 9457."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from app.core.context import get_request_id

MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One value of a request that cannot be used."""

    field: str = Field(description="Path of the value", examples=["body.title"])
    message: str


class Problem(BaseModel):
    """An error as RFC 9457 describes it."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Kind of problem", examples=["/problems/not-found"])
    title: str
    status: int
    detail: str
    instance: str = Field(description="Path of the request")
    request_id: str | None = Field(default=None, description="Id under which the logs have it")
    errors: list[FieldError] | None = None


class ProblemError(Exception):
    """An error that a client is told about.

    A subclass names its status, code and title; who raises one says what happened in `detail`.
    Extra members appear in the problem as they are. Without a code, the status says everything, and
    the problem's type is `about:blank`.
    """

    status: int = 500
    code: str | None = "internal-error"
    title: str = "Internal error"

    def __init__(
        self, detail: str, *, headers: Mapping[str, str] | None = None, **extra: object
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra


class BadRequestError(ProblemError):
    """The request makes no sense as it is."""

    status, code, title = 400, "bad-request", "Bad request"


class UnauthorizedError(ProblemError):
    """Nobody is logged in, or the token is not accepted."""

    status, code, title = 401, "unauthorized", "Authentication required"

    def __init__(
        self, detail: str, *, headers: Mapping[str, str] | None = None, **extra: object
    ) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer", **(headers or {})}, **extra)


class ForbiddenError(ProblemError):
    """The caller is known and may not do this."""

    status, code, title = 403, "forbidden", "Not allowed"


class NotFoundError(ProblemError):
    """There is no such thing, or the caller's tenant has no such thing: the two look the same."""

    status, code, title = 404, "not-found", "Not found"


class ConflictError(ProblemError):
    """The request contradicts what is stored."""

    status, code, title = 409, "conflict", "Conflict"


class RateLimitedError(ProblemError):
    """Too many requests."""

    status, code, title = 429, "rate-limited", "Too many requests"


class UnavailableError(ProblemError):
    """A part that this request needs does not answer now."""

    status, code, title = 503, "unavailable", "Service unavailable"


def to_response(connection: HTTPConnection, error: ProblemError) -> JSONResponse:
    """Return a problem as a response."""
    content = {
        "type": f"/problems/{error.code}" if error.code else "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": connection.url.path,
        "request_id": get_request_id(),
        **error.extra,
    }
    return JSONResponse(content, error.status, error.headers, MEDIA_TYPE)


async def send_problem(error: ProblemError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a problem from an ASGI middleware, where no exception handler is around."""
    await to_response(HTTPConnection(scope), error)(scope, receive, send)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return FastAPI's `responses=` for the problems that a route can answer with."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }
