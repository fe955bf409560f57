"""The REST API as one ASGI app.

Alone, it is `create_api(open_context, origins=...)`. Beside the screen, `rx.App(api_transformer=beside_pages(api))`
puts it in front: the API's own paths are answered here, everything else by the pages, which get their security
headers on the way. Reflex then answers CORS for the whole app, so the API is made with `answers_cors=False`.
"""

from collections.abc import Callable, Sequence

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from etl_engine import __version__
from etl_engine.api import documented, problem
from etl_engine.api.deps import JSON, preferred
from etl_engine.api.middleware import API_HEADERS, PAGE_HEADERS, BodyCap, OriginGuard, Requests, SecurityHeaders
from etl_engine.api.routes import (
    connections,
    connectors,
    copies,
    events,
    executions,
    mappings,
    schedules,
    schemas,
    system,
)
from etl_engine.errors import EtlError
from etl_engine.services.context import Context

DEFAULT_PREFIX = "/api/v1"
_OWN_PATHS = ("/docs", "/openapi.json", "/health")


def create_api(
    open_context: Callable[[], Context],
    *,
    prefix: str = DEFAULT_PREFIX,
    origins: Sequence[str] = (),
    answers_cors: bool = True,
) -> FastAPI:
    """The API over a context that opens at the first request: nothing opens here, and no lifespan is needed.

    `origins` are the web origins whose pages may use it, beside its own; their hosts are names that it goes by.
    """
    api = FastAPI(
        title="ETL Engine",
        version=__version__,
        description=documented.DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            EtlError: problem.etl_error,
            HTTPException: problem.http_error,
            RequestValidationError: problem.validation_error,
        },
    )
    api.state.open_context = open_context
    api.state.prefix = prefix
    api.state.health_threads = None
    api.state.health = "ok"  # what it said last
    api.include_router(system.router)
    api.include_router(system.pages)
    api.include_router(connections.router, prefix=prefix)
    api.include_router(connectors.router, prefix=prefix)
    api.include_router(copies.router, prefix=prefix)
    api.include_router(executions.router, prefix=prefix)
    api.include_router(events.router, prefix=prefix)
    api.include_router(schemas.router, prefix=prefix)
    api.include_router(mappings.router, prefix=prefix)
    api.include_router(schedules.router, prefix=prefix)
    api.add_middleware(BodyCap)
    api.add_middleware(OriginGuard, origins=tuple(origins))
    if answers_cors:
        api.add_middleware(
            CORSMiddleware,
            allow_origins=tuple(origins),
            allow_credentials=True,
            allow_methods=["*"],
            allow_headers=["*"],
        )
    api.add_middleware(Requests)
    api.add_middleware(SecurityHeaders, headers=API_HEADERS)
    return api


def beside_pages(api: FastAPI) -> Callable[[ASGIApp], ASGIApp]:
    """What Reflex's `api_transformer` wants: given the pages, the app that serves both."""
    return lambda pages: Front(api, pages)


class Front:
    """Tells the API's requests from the pages'. `GET /` is a page for who prefers HTML, API info for everyone else."""

    def __init__(self, api: FastAPI, pages: ASGIApp) -> None:
        self._api = api
        self._pages = SecurityHeaders(pages, PAGE_HEADERS)
        self._root_page = SecurityHeaders(pages, PAGE_HEADERS, vary="Accept")
        # All of /api, not only /api/v1: a wrong version is a wrong path of the API, not a page.
        self._prefixes = ("/" + api.state.prefix.split("/")[1], *_OWN_PATHS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._chosen(scope)(scope, receive, send)

    def _chosen(self, scope: Scope) -> ASGIApp:
        path = scope.get("path", "")
        if scope["type"] == "websocket":
            return self._api if path.startswith(f"{self._prefixes[0]}/") else self._pages
        if scope["type"] != "http":
            return self._pages
        if path == "/":
            wanted = preferred(Headers(scope=scope).get("accept"), (JSON, "text/html"))
            return self._root_page if wanted == "text/html" else self._api
        ours = path in self._prefixes or path.startswith(tuple(f"{prefix}/" for prefix in self._prefixes))
        return self._api if ours else self._pages
