"""How each kind of exception becomes a problem."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.core.database import DatabaseUnavailableError
from app.core.errors import ProblemError, UnavailableError, to_response

logger = structlog.get_logger(__name__)


async def on_problem(request: Request, error: ProblemError) -> Response:
    """Answer with a problem that was raised as one."""
    return to_response(request, error)


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


async def on_http_exception(request: Request, error: HTTPException) -> Response:
    """Answer with an error of the framework's."""
    return to_response(request, FrameworkError(error))


async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    """Answer with what is wrong in a request."""
    return to_response(request, InvalidRequestError(error))


async def on_busy_pool(request: Request, error: PoolTimeoutError) -> Response:
    """Answer that every connection is in use; a client may try again."""
    logger.warning("no database connection became free", error=str(error))
    return to_response(
        request,
        UnavailableError("The server is busy. Try again shortly.", headers={"Retry-After": "1"}),
    )


async def on_database_error(request: Request, error: DBAPIError) -> Response:
    """Answer that the database went away; any other of its errors is the program's, and goes on."""
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
