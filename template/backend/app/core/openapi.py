"""The API's own description: the parts that FastAPI does not know by itself."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.core.errors import MEDIA_TYPE, FieldError, Problem, problem_responses

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


class DescribedAPI(FastAPI):
    """A FastAPI application whose description names problems as they are sent."""

    def openapi(self) -> dict[str, Any]:
        """Return the description, with the problem schemas and the tags that are in use."""
        schema = super().openapi()
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        for name in UNUSED:
            schemas.pop(name, None)
        reference = "#/components/schemas/{model}"
        schemas["FieldError"] = FieldError.model_json_schema(ref_template=reference)
        problem = Problem.model_json_schema(ref_template=reference)
        problem.pop("$defs", None)
        schemas["Problem"] = problem
        used: set[str] = set()
        for operations in schema.get("paths", {}).values():
            for operation in operations.values():
                used.update(operation.get("tags", ()))
                responses = operation["responses"]
                if "422" in responses and MEDIA_TYPE not in responses["422"].get("content", {}):
                    responses["422"] = problem_responses(422)[422]
        schema["tags"] = [
            {"name": name, "description": text} for name, text in TAGS.items() if name in used
        ]
        return schema


def operation_id(route: APIRoute) -> str:
    """Return a short, stable name for generated clients, such as `todos_create`."""
    tag = str(route.tags[0]) if route.tags else "api"
    return f"{tag}_{route.name}".replace("-", "_")
