"""What routes are given: the context, the body, what the caller accepts, and which version it knows."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request
from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import Response

from etl_engine.api.problem import REQUEST_ID, NotAcceptable, UnsupportedMediaType
from etl_engine.services.context import Context

JSON = "application/json"
EVENTS = "text/event-stream"
_NO_REVISION = 0  # stored revisions start at 1: a tag that is none of ours never fits
_TAG = re.compile(r'(W/)?"([^"]*)"')


class _Id(Convertor[str]):
    """An id in a path: anything but the words that stand in the same place."""

    regex = "(?!(?:test|preview|presets)(?:/|$))[^/]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", _Id())


class Router(APIRouter):
    """Answers both slash forms of every path, without a redirect; the documentation shows the one given."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().add_api_route(path, endpoint, **options)
        twin = path.removesuffix("/") if path.endswith("/") else f"{path}/"
        if self.prefix + twin:
            super().add_api_route(twin, endpoint, **options | {"include_in_schema": False})


def _context(request: Request) -> Context:
    """Synchronous, so that it waits in a worker thread while a store that is away comes back."""
    context: Context = request.app.state.open_context()
    return context.for_request(request.scope[REQUEST_ID])


Ctx = Annotated[Context, Depends(_context)]
ObjectId = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{24}$",
        description="24 hexadecimal digits.",
        examples=["507f1f77bcf86cd799439011"],
    ),
]
ConnectionId = ObjectId


def quality(accept: str, media_type: str) -> float:
    """How much an Accept header wants this media type; the most exact range decides."""
    best = (-1, 0.0)
    family = media_type.partition("/")[0] + "/*"
    for part in accept.lower().split(","):
        wanted, *parameters = (piece.strip() for piece in part.split(";"))
        exactness = {media_type: 2, family: 1, "*/*": 0}.get(wanted, -1)
        weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            best = max(best, (exactness, float(weight))) if exactness >= 0 else best
        except ValueError:
            continue
    return best[1]


def preferred(accept: str | None, offered: Sequence[str]) -> str | None:
    """The media type the caller wants most of those offered, the first on a tie; None if it accepts none."""
    if not accept:
        return offered[0]
    best = max(offered, key=lambda media_type: quality(accept, media_type))
    return best if quality(accept, best) > 0 else None


def accepts(*offered: str) -> Callable[[Request], Awaitable[str]]:
    """A dependency: the media type to answer with, or 406."""

    async def choose(request: Request) -> str:
        chosen = preferred(request.headers.get("accept"), offered)
        if chosen is None:
            raise NotAcceptable(f"This path answers {' or '.join(offered)}", hint=f"Accept {offered[0]}.")
        return chosen

    return choose


def reads(*media_types: str) -> Callable[[Request], Awaitable[None]]:
    """A dependency: refuses a body of any other media type (415)."""

    async def check(request: Request) -> None:
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
        if has_body and given not in media_types:
            named = f"is {given[:100]!r}" if given else "has no Content-Type"
            wanted = " or ".join(media_types)
            raise UnsupportedMediaType(f"The body {named}; this path reads {wanted}", hint=f"Send {media_types[0]}.")

    return check


IfMatch = Annotated[
    str | None,
    Header(
        description="The ETag that was read. The change happens only to that revision of the values (412 otherwise); "
        "a test that ran in between does not count as a change.",
    ),
]


def wanted_revision(if_match: str | None, current: Callable[[], int]) -> int | None:
    """The revision to insist on: None for no condition; one that never fits for a tag that is none of ours."""
    if if_match is None or if_match.strip() == "*":
        return None
    revisions = {_revision(tag) for weak, tag in _TAG.findall(if_match) if not weak}
    if len(revisions) > 1:  # any of several will do, so ask which of them is there
        now = current()
        return now if now in revisions else _NO_REVISION
    return next(iter(revisions), _NO_REVISION)


def tag_of(content: bytes, revision: int) -> str:
    """Changes with everything in the answer; the revision in front is what If-Match compares."""
    return f'"{revision}-{hashlib.blake2b(content, digest_size=10).hexdigest()}"'


def answered(
    request: Request, content: bytes, *, revision: int = 0, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """JSON with its ETag, or 304 where the caller has it already."""
    tag = tag_of(content, revision)
    headers = {"ETag": tag, **(headers or {})}
    if request.method == "GET" and _known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(content, status, headers, JSON)


def _known(if_none_match: str, tag: str) -> bool:
    return if_none_match.strip() == "*" or tag.strip('"') in (given for _, given in _TAG.findall(if_none_match))


def _revision(tag: str) -> int:
    number = tag.partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else _NO_REVISION
