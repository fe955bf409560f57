"""Every error as application/problem+json (RFC 9457): one class, one status, one place in /docs/errors."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from etl_engine import errors
from etl_engine.errors import BadInput, EtlError, NotFound, Problem
from etl_engine.model.problems import SEND_AN_OBJECT, problems_of, rejected

MEDIA_TYPE = "application/problem+json"
ERROR_PAGE = "/docs/errors"
STORE_RETRY_SECONDS = 5
REQUEST_ID = "etl_engine.request_id"  # where the ASGI scope has it
SEND_LESS = "Send less in one request."


class MalformedJson(BadInput):
    """The body is not JSON that can be read."""

    code = "malformed-json"


class MalformedId(BadInput):
    """The id in the path does not look like an id."""

    code = "malformed-id"


class UnknownPath(NotFound):
    """There is nothing under this path."""

    code = "unknown-path"


class MethodNotAllowed(BadInput):
    """This path does not answer that method."""

    code = "method-not-allowed"


class NotAcceptable(BadInput):
    """The answer is of no media type that the request accepts."""

    code = "not-acceptable"


class UnsupportedMediaType(BadInput):
    """The body is of a media type that this path does not read."""

    code = "unsupported-media-type"


class InvalidCursor(BadInput):
    """The cursor of a list does not fit, or is too old."""

    code = "invalid-cursor"


class BodyTooLarge(BadInput):
    """The body is larger than this API reads."""

    code = "body-too-large"


class ForeignOrigin(errors.Denied):
    """A page of another origin may not change anything here."""

    code = "foreign-origin"


class ForeignHost(errors.Denied):
    """The request names a host that this engine does not go by."""

    code = "foreign-host"


class InternalError(EtlError):
    """Something went wrong inside; the log has it under the request id."""

    code = "internal-error"
    audience = errors.Audience.DEVELOPER


STATUS: Mapping[type[EtlError], int] = {
    EtlError: 500,
    BadInput: 422,
    MalformedId: 422,
    MalformedJson: 400,
    InvalidCursor: 400,
    MethodNotAllowed: 405,
    NotAcceptable: 406,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    errors.BadSetting: 503,  # the caller cannot repair it: to them the engine is out of order
    NotFound: 404,
    UnknownPath: 404,
    errors.Conflict: 409,
    errors.Stale: 412,
    errors.KeyReused: 422,
    errors.KeyInUse: 409,
    errors.Denied: 403,
    ForeignOrigin: 403,
    ForeignHost: 403,
    errors.Locked: 423,
    errors.NotCapable: 409,
    errors.StoreError: 500,
    errors.StoreUnavailable: 503,
    errors.DuplicateKey: 409,
    errors.ConnectorError: 502,
    errors.Unreachable: 502,
    errors.Refused: 502,
    errors.Missing: 502,
    errors.Rejected: 502,
    errors.Throttled: 503,
    errors.Cancelled: 409,
    InternalError: 500,
}


class FieldProblem(BaseModel):
    """One wrong field."""

    pointer: str = Field(description="JSON pointer into the body, or /query/name or /path/name.", examples=["/port"])
    code: str = Field(examples=["out-of-range"])
    message: str = Field(examples=["must be less than or equal to 65535"])
    fix: str = Field(description="How to repair it; may be empty.", examples=["Choose another number."])


class ProblemDocument(BaseModel):
    """What went wrong, on what, and what to do (RFC 9457)."""

    type: str = Field(description="Where this code is explained.", examples=[f"{ERROR_PAGE}#not-found"])
    title: str = Field(examples=["There is no such thing"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no connection 507f1f77bcf86cd799439011"])
    instance: str = Field(description="The path that was asked for.")
    code: str = Field(description="Stable; programs switch on this one.", examples=["not-found"])
    request_id: str = Field(description="The log has the request under this id; also in the header X-Request-ID.")
    hint: str = Field(description="One imperative sentence.")
    errors: list[FieldProblem] = Field(description="One entry per wrong field.")


class ProblemResponse(Response):
    """An error as its caller reads it."""

    media_type = MEDIA_TYPE

    def __init__(self, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(json.dumps(document), status_code=document["status"], headers=dict(headers or {}))


def all_errors(root: type[EtlError] = EtlError) -> Iterator[type[EtlError]]:
    """The whole tree, the door's own leaves included, parents first."""
    yield root
    for child in root.__subclasses__():
        yield from all_errors(child)


def status_of(error: type[EtlError]) -> int:
    return next(STATUS[cls] for cls in error.__mro__ if cls in STATUS)


def title_of(error: type[EtlError]) -> str:
    return (error.__doc__ or "").strip().splitlines()[0].removesuffix(".")


def document(error: EtlError, path: str, request_id: str) -> dict[str, Any]:
    """The problem as JSON values, without a secret: messages never hold one."""
    return {
        "type": f"{ERROR_PAGE}#{error.code}",
        "title": title_of(type(error)),
        "status": status_of(type(error)),
        "detail": error.message,
        "instance": path,
        "code": error.code,
        "request_id": request_id,
        "hint": error.hint,
        "errors": [problem.as_dict() for problem in error.problems],
    }


def answer(scope: Mapping[str, Any], error: EtlError, headers: Mapping[str, str] | None = None) -> ProblemResponse:
    retry = {"Retry-After": str(STORE_RETRY_SECONDS)} if status_of(type(error)) == 503 else {}
    return ProblemResponse(document(error, scope["path"], scope.get(REQUEST_ID, "")), retry | dict(headers or {}))


async def etl_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, EtlError)  # noqa: S101 - registered for this class only
    return answer(request.scope, error)


async def http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses before a route is reached, or before its body is read."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    method, path = request.method, request.url.path
    if error.status_code == 405:
        allowed = ", ".join(allowed_methods(request))
        refused = MethodNotAllowed(f"{path[:200]} does not answer {method[:20]}", hint=f"Use one of: {allowed}.")
        return answer(request.scope, refused, {"Allow": allowed})
    if error.status_code == 413:
        return answer(request.scope, BodyTooLarge(error.detail, hint=SEND_LESS))
    if error.status_code == 400:
        return answer(request.scope, _unreadable(error.__cause__))
    return answer(
        request.scope, UnknownPath(f"There is nothing under {path[:200]}", hint="See /docs for the paths there are.")
    )


def _unreadable(cause: BaseException | None) -> MalformedJson:
    """What Python's parser gives up on; where the grammar of JSON is broken, it says so itself."""
    match cause:
        case RecursionError():
            return MalformedJson("The JSON is nested too deeply", hint=SEND_AN_OBJECT)
        case UnicodeDecodeError():
            return MalformedJson(f"The body is not UTF-8: see byte {cause.start}", hint="Send the JSON in UTF-8.")
        case ValueError():
            most = sys.get_int_max_str_digits()
            return MalformedJson(f"The JSON has a number of more than {most:,} digits", hint="Send a smaller number.")
    return MalformedJson("The body cannot be read", hint=SEND_AN_OBJECT)


async def validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    return answer(request.scope, _of_validation(error, request))


def allowed_methods(request: Request) -> list[str]:
    """What this path answers, for the Allow header."""
    found = [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.router.routes
        )
    ]
    return ["GET", "HEAD", *found[1:]] if found[:1] == ["GET"] else found


def _of_validation(error: RequestValidationError, request: Request) -> EtlError:
    details = error.errors()
    place = details[0]["loc"][0]
    if details[0]["type"] == "json_invalid":
        reason = f"{details[0]['ctx']['error']} at character {details[0]['loc'][1]}"
        return MalformedJson(f"The body is not JSON: {reason}", hint="Correct the JSON.")
    if place == "path":
        name, given = details[0]["loc"][1], str(details[0]["input"])[:60]
        like = "An id has 24 hexadecimal digits, such as 507f1f77bcf86cd799439011."
        return MalformedId(
            f"{given!r} is not an id",
            hint=like,
            problems=(Problem(f"/path/{name}", "malformed", "is not an id", like),),
        )
    if details[0]["loc"] == ("body",) and details[0]["type"] == "missing":
        empty = Problem("", "required", "is empty", SEND_AN_OBJECT)
        return BadInput("The body is empty", hint=empty.fix, problems=(empty,))
    if place == "body":
        return rejected(
            "The body cannot be used", problems_of({**detail, "loc": detail["loc"][1:]} for detail in details)
        )
    return rejected("The query cannot be used", problems_of(details, _query_names(request)))


def _query_names(request: Request) -> Iterator[str]:
    for parameter in request.scope["route"].dependant.query_params:
        model = parameter.field_info.annotation
        is_model = isinstance(model, type) and issubclass(model, BaseModel)
        yield from model.model_fields if is_model else [parameter.alias]
