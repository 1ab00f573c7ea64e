"""The application before any domain is in it: lifespan, error handlers, middleware, description."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.core.database import Database
from app.core.errors import HANDLERS, MEDIA_TYPE, FieldError, Problem, problem_responses
from app.core.middleware import REQUEST_ID, BodyLimit, ErrorCatcher, RequestContext
from app.core.redis import create_redis
from app.core.settings import Settings

logger = structlog.get_logger(__name__)

TAGS: Final = {
    "health": "Whether the service lives and can serve.",
    "auth": "Who the caller is, and how to log in and out.",
    "oauth": "Login for browsers that shall hold no token: the server keeps the tokens.",
    "users": "The people of the caller's tenant.",
    "tenant": "The caller's own tenant.",
    "tenants": "All tenants; for the platform's administrators.",
}
# What FastAPI describes its own form of a validation error with, which this API never sends.
UNUSED: Final = ("HTTPValidationError", "ValidationError")
REQUEST_ID_HEADER: Final = {
    "description": "The request's id; logs have it",
    "required": True,
    "schema": {"type": "string", "pattern": f"^{REQUEST_ID.pattern}$"},
}


class DescribedAPI(FastAPI):
    """A FastAPI application whose description names problems as they are sent."""

    def openapi(self) -> dict[str, Any]:
        """Return the description, with the problem schemas and the tags that are in use.

        Added to what routes say: a body that is no JSON is answered with 400, one that is too long
        with 413, and every answer has its request's id.
        """
        schema = super().openapi()
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        for name in UNUSED:
            schemas.pop(name, None)
        reference = "#/components/schemas/{model}"
        schemas["FieldError"] = FieldError.model_json_schema(ref_template=reference)
        problem = Problem.model_json_schema(ref_template=reference)
        problem.pop("$defs", None)
        schemas["Problem"] = problem
        schema["components"]["headers"] = {"X-Request-ID": REQUEST_ID_HEADER}
        used: set[str] = set()
        for operations in schema.get("paths", {}).values():
            for operation in operations.values():
                used.update(operation.get("tags", ()))
                responses = operation["responses"]
                if "422" in responses and MEDIA_TYPE not in responses["422"].get("content", {}):
                    responses["422"] = problem_responses(422)[422]
                if "requestBody" in operation:
                    responses.setdefault("400", problem_responses(400)[400])
                    responses.setdefault("413", problem_responses(413)[413])
                for response in responses.values():
                    headers = response.setdefault("headers", {})
                    headers["X-Request-ID"] = {"$ref": "#/components/headers/X-Request-ID"}
        schema["tags"] = [
            {"name": name, "description": text} for name, text in TAGS.items() if name in used
        ]
        return schema


def operation_id(route: APIRoute) -> str:
    """Return a short, stable name for generated clients, such as `todos_create`."""
    tag = str(route.tags[0]) if route.tags else "api"
    return f"{tag}_{route.name}".replace("-", "_")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Give back what the application holds when it stops; its last request is over by then.

    Nothing is connected at the start: a database that is away delays readiness, and not the start.
    """
    logger.info("application started", environment=app.state.settings.env)
    async with app.state.resources:
        yield
    logger.info("application stopped")


def create_core(settings: Settings) -> FastAPI:
    """Return an application that has its database and cache, and answers errors as problems.

    What is to be closed when it stops is pushed on `app.state.resources`, an AsyncExitStack.

    Middleware, outermost first: request context, CORS, error catcher, limit of bodies. The catcher
    is inside of all that add to an answer, so that its own is like any other.
    """
    pages = settings.docs_are_served
    app = DescribedAPI(
        title=settings.project_name,
        lifespan=lifespan,
        openapi_url=f"{settings.api_prefix}/openapi.json" if pages else None,
        docs_url=f"{settings.api_prefix}/docs" if pages else None,
        redoc_url=f"{settings.api_prefix}/redoc" if pages else None,
        exception_handlers=HANDLERS,
        generate_unique_id_function=operation_id,
        # Else a path with a slash too many is answered with 307, to wherever the header Host says.
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.resources = AsyncExitStack()
    app.state.database = Database(settings)
    app.state.resources.push_async_callback(app.state.database.close)
    app.state.redis = create_redis(settings)
    app.state.resources.push_async_callback(app.state.redis.aclose)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(ErrorCatcher)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_credentials=True,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID", "X-Tenant-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
            max_age=600,
        )
    app.add_middleware(RequestContext)
    return app


def trust_proxies(app: FastAPI, settings: Settings) -> None:
    """Take a client's address and scheme from X-Forwarded-* if a trusted proxy says so.

    To be called last: every middleware, a feature's too, must see the address and scheme put right.
    """
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=settings.trusted_proxies)
