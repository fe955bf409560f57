"""Around every answer: request id, one log line, security headers, the body cap, and no error without an answer."""

import ipaddress
import re
import secrets
import time
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from etl_engine.api.problem import (
    REQUEST_ID,
    SEND_LESS,
    BodyTooLarge,
    ForeignHost,
    ForeignOrigin,
    InternalError,
    answer,
)
from etl_engine.errors import Denied, EtlError

BODY_CAP = 1_000_000
# How much of a body that is too large is read and thrown away: a client that is still sending never reads the answer.
_DRAINED = 32_000_000
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_QUIET_PATHS = frozenset({"/health"})  # asked every few seconds; it says itself when something changed
EXPOSED_HEADERS = "ETag, Idempotency-Replayed, Link, Location, Retry-After, X-Request-ID, X-Total-Count"

_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
API_HEADERS: Mapping[str, str] = _EVERYWHERE | {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, no-cache",
}
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
# React Router's pages start from an inline script; the screen talks to its own host only.
PAGE_HEADERS: Mapping[str, str] = _EVERYWHERE | {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws: wss:; "
        "object-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
    ),
}

log = structlog.get_logger("etl_engine.api")


class SecurityHeaders:
    """Adds headers to every answer that does not have them yet."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str], vary: str = "") -> None:
        self._app = app
        self._headers = headers
        self._vary = vary

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    present.setdefault(name, value)
                if self._vary:
                    present.add_vary_header(self._vary)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class Requests:
    """Names every request, logs it in one line without bodies and query values, and answers what nobody caught."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SANE_REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        method, status = scope["method"], 0
        cross_origin = any(name == b"origin" for name, _ in scope["headers"])

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                if cross_origin:
                    headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
            elif method == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        # HEAD is what GET would answer, without its body.
        scope = {**scope, REQUEST_ID: request_id, "method": "GET" if method == "HEAD" else method}
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, named)
            except Exception as error:
                log.exception("request failed", method=method, path=scope["path"], error=type(error).__name__)
                if status:
                    raise
                await answer(scope, _unexpected(request_id))(scope, receive, named)
            finally:
                ms = round((time.perf_counter() - started) * 1000, 1)
                level = "debug" if scope["path"] in _QUIET_PATHS else "error" if status >= 500 else "info"
                getattr(log, level)("request", method=method, path=scope["path"], status=status, ms=ms)


class OriginGuard:
    """Keeps foreign web pages out, which reach this server through the browser of somebody who may.

    A page may change something only from an origin that is ours. And a request must name the server by an address, by
    localhost or by the host of an origin: a page whose own name was made to point here (DNS rebinding) counts as
    same-origin. Whatever the server is bound to: a container published on this machine alone is bound to every address.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)
        self._hosts = frozenset({"localhost", *map(_host_of, origins)}) - {""}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.code})
            return
        await (self._app if refusal is None else answer(scope, refusal))(scope, receive, send)

    def _refusal(self, scope: Scope) -> Denied | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_known(host):
            hint = "Ask for localhost or for an address, or add the origin you use to CORS_ORIGINS."
            return ForeignHost(f"This engine does not go by {host[:100]!r}", hint=hint)
        # No rule of browsers keeps a page of another origin from reading a socket.
        if origin is None or scope.get("method") in _SAFE_METHODS or origin in self._origins:
            return None
        if origin.partition("://")[2] == host:
            return None
        hint = "Add the origin to CORS_ORIGINS if it is yours."
        return ForeignOrigin(f"A page of {origin[:100]} may not change anything here", hint=hint)

    def _is_known(self, host: str) -> bool:
        name = _host_of(f"//{host}")
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._hosts
        return True  # rebinding needs a name


def _host_of(url: str) -> str:
    """The host in it, or nothing where there is none: a caller may send anything."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class BodyCap:
    """Refuses bodies over the cap, whether their length was announced or not."""

    def __init__(self, app: ASGIApp, cap: int = BODY_CAP) -> None:
        self._app = app
        self._cap = cap

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._cap:
                await _drain(receive, message)
                raise HTTPException(413, self._refusal().message)  # the one class that FastAPI lets through here
            return message

        if announced.isdigit() and int(announced) > self._cap:
            await _drain(receive, {"more_body": True})
            await answer(scope, self._refusal())(scope, receive, send)
            return
        await self._app(scope, counted, send)

    def _refusal(self) -> BodyTooLarge:
        return BodyTooLarge(f"The body is larger than {self._cap:,} bytes", hint=SEND_LESS)


async def _drain(receive: Receive, message: Message) -> None:
    thrown_away = 0
    while message.get("more_body") and thrown_away < _DRAINED:
        message = await receive()
        thrown_away += len(message.get("body", b""))


def _unexpected(request_id: str) -> EtlError:
    return InternalError(
        "Something went wrong inside",
        hint=f"Tell your administrator the request id {request_id}: the log has the rest.",
    )
