"""One form for every error: problem details, RFC 9457; and how each exception becomes one."""

from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core.context import get_request_id

logger = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

UNSTORABLE: Final = frozenset({"22000", "22001", "22003", "22008", "22021"})
"""SQLSTATE of a value that PostgreSQL or its driver refuses as it is: of another type, too long,
out of range, no date, with the character NUL (PostgreSQL's manual, appendix A, class 22)."""

TRANSIENT: Final = frozenset({"40001", "40P01", "55P03", "57014"})
"""SQLSTATE of what may succeed when it is tried again: two transactions in each other's way, a lock
that is not free, a statement that took longer than DB_STATEMENT_TIMEOUT_MS."""

_HEADERS: Final[dict[int, tuple[str, bool, str]]] = {
    401: ("WWW-Authenticate", True, "How to log in (RFC 6750, section 3)"),
    429: ("Retry-After", True, "Seconds to wait"),
    503: ("Retry-After", False, "Seconds to wait, if that is known"),
}
"""The header that a problem brings, whether it always does, and what it says."""


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


class ContentTooLargeError(ProblemError):
    """The body is longer than the application takes into memory."""

    status, code, title = 413, "content-too-large", "Content too large"

    def __init__(self, limit: int) -> None:
        # Closed, so that the rest of the body is not received in vain.
        super().__init__(f"A body may have {limit} bytes at most.", headers={"Connection": "close"})


class RateLimitedError(ProblemError):
    """Too many requests."""

    status, code, title = 429, "rate-limited", "Too many requests"


class UnavailableError(ProblemError):
    """A part that this request needs does not answer now."""

    status, code, title = 503, "unavailable", "Service unavailable"


class DatabaseUnavailableError(UnavailableError):
    """The database cannot be reached, or takes no connection now."""

    def __init__(self) -> None:
        super().__init__("The database does not answer.", headers={"Retry-After": "5"})


class BusyError(UnavailableError):
    """The database works, and has no time for this request."""

    def __init__(self) -> None:
        super().__init__("The server is busy. Try again shortly.", headers={"Retry-After": "1"})


class FrameworkError(ProblemError):
    """What the framework raises by itself, such as for an unknown path or a wrong method."""

    def __init__(self, error: HTTPException) -> None:
        super().__init__(str(error.detail), headers=error.headers)
        self.status, self.code = error.status_code, None
        self.title = HTTPStatus(error.status_code).phrase


class InvalidRequestError(ProblemError):
    """Each value that cannot be used, by its path. The values themselves are not repeated."""

    status, code, title = 422, "validation", "Request not valid"

    def __init__(self, error: RequestValidationError) -> None:
        faults = [
            {"field": ".".join(str(part) for part in fault["loc"]), "message": fault["msg"]}
            for fault in error.errors()
        ]
        detail = f"{len(faults)} value(s) of the request cannot be used; see `errors`."
        super().__init__(detail, errors=faults)


class UnstorableValueError(ProblemError):
    """A value that the schema let through and the database refuses."""

    status, code, title = 422, "validation", "Request not valid"

    def __init__(self) -> None:
        super().__init__("A value of the request cannot be stored or compared.")


def to_response(connection: HTTPConnection, error: ProblemError) -> JSONResponse:
    """Return a problem as a response."""
    content = {
        "type": f"/problems/{error.code}" if error.code else "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        # Not `url.path`: a header Host that is no host's name would fail here.
        "instance": connection.scope["path"],
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
            "headers": _describe_header(status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def _describe_header(status: int) -> dict[str, Any]:
    if status not in _HEADERS:
        return {}
    name, required, description = _HEADERS[status]
    kind = "integer" if name == "Retry-After" else "string"
    return {name: {"description": description, "required": required, "schema": {"type": kind}}}


async def on_problem(request: Request, error: ProblemError) -> Response:
    """Answer with a problem that was raised as one."""
    return to_response(request, error)


async def on_http_exception(request: Request, error: HTTPException) -> Response:
    """Answer with an error of the framework's."""
    problem = FrameworkError(error)
    if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
        problem.headers["Allow"] = ", ".join(allowed_methods(request))
    return to_response(request, problem)


def allowed_methods(request: Request) -> list[str]:
    """Return every method that a path is served with.

    The framework names those of one route only, and each method has a route of its own.
    """
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.methods and route.path_regex.match(path):
            methods |= route.methods
    return sorted(methods)


async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    """Answer with what is wrong in a request."""
    return to_response(request, InvalidRequestError(error))


async def on_busy_pool(request: Request, error: PoolTimeoutError) -> Response:
    """Answer that every connection is in use; a client may try again."""
    del error  # the pool has logged it, once for all requests that it concerns
    return to_response(request, BusyError())


async def on_database_error(request: Request, error: DBAPIError) -> Response:
    """Answer that the database went away or had no time, or that a value cannot be stored.

    Any other of its errors is the program's, and goes on.
    """
    state = getattr(error.orig, "sqlstate", None)
    if state in UNSTORABLE:
        # Better refused by a schema, which tells the client which value it is: hence the warning.
        logger.warning("value not storable", error=repr(error.orig))
        return to_response(request, UnstorableValueError())
    if state in TRANSIENT:
        logger.warning("statement given up", error=repr(error.orig))
        return to_response(request, BusyError())
    if not error.connection_invalidated:
        raise error
    logger.warning("database connection lost", error=repr(error.orig))
    return to_response(request, DatabaseUnavailableError())


Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]
HANDLERS: Final[dict[int | type[Exception], Handler]] = {
    ProblemError: on_problem,
    HTTPException: on_http_exception,
    RequestValidationError: on_invalid_request,
    PoolTimeoutError: on_busy_pool,
    DBAPIError: on_database_error,
}
