"""What this is, whether it is well, and the documentation: outside the prefix, and open to everybody."""

import html
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import anyio
import structlog
from anyio import CapacityLimiter
from fastapi import APIRouter, Request
from fastapi import Path as InPath
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from etl_engine import __version__
from etl_engine.api.deps import JSON, Router
from etl_engine.api.documented import openapi
from etl_engine.api.middleware import DOCS_POLICY
from etl_engine.api.problem import UnknownPath, all_errors, status_of, title_of
from etl_engine.model.problems import CODES
from etl_engine.services import health
from etl_engine.services.health import Health

router = Router(tags=["system"])
pages = APIRouter(include_in_schema=False)

_OWN = Path(__file__).parents[1] / "static"
_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "docs.js": "text/javascript",
    "docs.css": "text/css",
}
# Threads of its own: a load balancer gets its answer while every other thread waits for a store that is away.
_HEALTH_THREADS = 4

log = structlog.get_logger("etl_engine.api")


class ApiInfo(BaseModel):
    """What answers here, and where the rest is."""

    name: str = Field(default="ETL Engine")
    version: str = Field(default=__version__)
    api: str = Field(examples=["/api/v1"])
    docs: str = "/docs"
    openapi: str = "/openapi.json"
    health: str = "/health"


@router.get("/", response_model=ApiInfo, operation_id="getApiInfo", summary="What this is")
async def info(request: Request) -> Response:
    """What this is. A browser that asks for a page gets the screen instead."""
    content = to_json(ApiInfo(api=request.app.state.prefix))
    return Response(content, media_type=JSON, headers={"Vary": "Accept"})


@router.get(
    "/health",
    response_model=Health,
    operation_id="getHealth",
    summary="Is the engine well?",
    responses={503: {"model": Health, "description": "The store cannot be reached, or the key does not open it."}},
)
async def check(request: Request) -> Response:
    """Looks at the store and the key now: 200 where both are well, 503 where one is not."""
    state = request.app.state
    if state.health_threads is None:
        state.health_threads = CapacityLimiter(_HEALTH_THREADS)
    found = await anyio.to_thread.run_sync(health.check, state.open_context, limiter=state.health_threads)
    if found.status != state.health:
        level = "info" if found.status == "ok" else "warning"
        getattr(log, level)("health changed", status=found.status, store=found.store.detail, key=found.key.detail)
        state.health = found.status
    headers = {"Cache-Control": "no-store"}
    return Response(to_json(found), 200 if found.status == "ok" else 503, headers, JSON)


@pages.get("/openapi.json")
async def openapi_document(request: Request) -> Response:
    return JSONResponse(openapi(request.app))


@pages.get("/docs")
@pages.get("/docs/")
async def docs() -> Response:
    return _page(
        "API",
        '<div id="swagger-ui"></div><script src="/docs/assets/swagger-ui-bundle.js"></script>'
        '<script src="/docs/assets/docs.js"></script>',
    )


@pages.get("/docs/errors")
async def error_page() -> Response:
    """Where the `type` of a problem leads."""
    errors = {error.code: error for error in all_errors()}
    rows = "".join(
        f'<tr id="{error.code}"><td><a href="#{error.code}"><code>{error.code}</code></a></td>'
        f"<td>{status_of(error)}</td><td>{html.escape(title_of(error))}.</td>"
        f"<td>{'yes' if error.retryable else 'no'}</td><td>{error.audience}</td></tr>"
        for error in errors.values()
    )
    fields = "".join(
        f"<tr><td><code>{code}</code></td><td>{html.escape(text)}</td></tr>" for code, text in CODES.items()
    )
    return _page(
        "Errors",
        '<main class="errors">'
        "<h1>Errors</h1><p>Every error is <code>application/problem+json</code>. Switch on <code>code</code>: it "
        "is stable; the texts are for people. <a href='/docs'>Back to the API</a></p>"
        "<table><thead><tr><th>code</th><th>status</th><th>meaning</th><th>worth trying again</th><th>who must act</th>"
        f"</tr></thead><tbody>{rows}</tbody></table>"
        "<h2>Fields</h2><p>Each entry of <code>errors</code> has one of these codes.</p>"
        f"<table><thead><tr><th>code</th><th>meaning</th></tr></thead><tbody>{fields}</tbody></table></main>",
    )


@pages.get("/docs/assets/{name}")
async def asset(name: Annotated[str, InPath()]) -> Response:
    if name not in _ASSETS:
        raise UnknownPath(f"There is no file {name[:100]!r}", hint="Open /docs.")
    folder = _OWN if name.startswith("docs.") else _swagger()
    return FileResponse(folder / name, media_type=_ASSETS[name])


def _swagger() -> Path:
    """Swagger UI's files come with a package, so that the page needs no other host; its code is not loaded."""
    spec = find_spec("fastapi_swagger")
    if spec is None or not spec.submodule_search_locations:
        raise UnknownPath("Swagger UI is not installed", hint="pip install fastapi-swagger")
    return Path(spec.submodule_search_locations[0]) / "resources"


def _page(title: str, body: str) -> HTMLResponse:
    head = (
        f'<meta charset="utf-8"><title>ETL Engine - {title}</title><link rel="icon" href="data:,">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/docs/assets/swagger-ui.css"><link rel="stylesheet" href="/docs/assets/docs.css">'
    )
    text = f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'
    return HTMLResponse(text, headers={"Content-Security-Policy": DOCS_POLICY})
