"""What OpenAPI says beyond the types: every error an operation may answer, its headers, its examples."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from etl_engine.api.problem import ERROR_PAGE, MEDIA_TYPE, STATUS, ProblemDocument
from etl_engine.model.connection import SavedFields

Responses = dict[int | str, dict[str, Any]]

TAGS = [
    {"name": "connections", "description": "Databases and files that data is read from and written to."},
    {"name": "connectors", "description": "The kinds of connection there are, and the fields each of them has."},
    {
        "name": "schemas",
        "description": "What mappings fill: columns, each with a type that every destination can hold.",
    },
    {"name": "executions", "description": "What ran, runs and is to run: ordered, watched, cancelled, repeated."},
    {"name": "events", "description": "Everything that happens, as it happens."},
    {"name": "mappings", "description": "A query of a source, and how its columns become the fields of a schema."},
    {"name": "schedules", "description": "When mappings are run, on whose clock, and what becomes of a late fire."},
    {"name": "system", "description": "What this is, and whether it is well."},
]
DESCRIPTION = f"""Connect, map and move data without losing or changing a value.

Errors are `application/problem+json` (RFC 9457); [{ERROR_PAGE}]({ERROR_PAGE}) explains every code.
Secrets are write-only: an answer shows `********`, and sending that back leaves a secret as it is.
Every object has an `ETag`; `If-Match` makes a change conditional, `If-None-Match` saves the answer.
What creates or starts something takes an `Idempotency-Key`: sent twice, it is done once.
"""
_COMPONENT = "#/components/schemas/{model}"
_EVERY_READ = (403, 406, 422, 423, 500, 503)
_EVERY_BODY = (400, 413, 415)
_HEADERS = {
    "ETag": "Changes with everything in the answer; send it back as If-Match or If-None-Match.",
    "Location": "Where the new object is.",
    "Link": "Pages: first, prev and next, where there are such.",
    "Idempotency-Replayed": "true where the same request came before, and this is its answer.",
    "X-Total-Count": "How many there are in all that match.",
}


def reading(*more: int) -> Responses:
    """The errors of every operation, and these."""
    return {status: _problem(status) for status in sorted({*_EVERY_READ, *more})}


def writing(*more: int) -> Responses:
    """The errors of every operation that reads a body, and these."""
    return reading(*_EVERY_BODY, *more)


def headed(status: int, *names: str) -> Responses:
    """The headers of a good answer."""
    return {
        status: {"headers": {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}}
    }


def openapi(app: FastAPI) -> dict[str, Any]:
    """The document of the whole API, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version=app.openapi_version,
            description=app.description,
            license_info=app.license_info,
            tags=TAGS,
            routes=app.routes,
        )
        problem = TypeAdapter(ProblemDocument).json_schema(ref_template=_COMPONENT)
        schemas = made["components"]["schemas"]
        schemas.update(problem.pop("$defs"), ProblemDocument=problem)
        for name, schema in schemas.items():
            if name.endswith("Connection"):
                _mark_read_only(schema["properties"])
        app.openapi_schema = made
    return app.openapi_schema


def _problem(status: int) -> dict[str, Any]:
    codes = sorted({error.code for error, its in STATUS.items() if its == status})
    headers = {"X-Request-ID": {"description": "Under this id the log has the request.", "schema": {"type": "string"}}}
    if status == 503:
        headers["Retry-After"] = {"description": "Seconds.", "schema": {"type": "string"}}
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}",
        "headers": headers,
        "content": {MEDIA_TYPE: {"schema": {"$ref": _COMPONENT.format(model=ProblemDocument.__name__)}}},
    }


def _mark_read_only(properties: Mapping[str, Any]) -> None:
    for name, info in SavedFields.model_fields.items():
        if (field := properties.get(info.alias or name)) is not None:
            field["readOnly"] = True
