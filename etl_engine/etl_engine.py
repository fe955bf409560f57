"""The Reflex app: pages, the API in the same backend, and what runs as long as the server does."""

import reflex as rx
from reflex.config import get_config

from etl_engine import settings, wiring
from etl_engine.api.app import beside_pages, create_api
from etl_engine.api.streams import end_with_the_server
from etl_engine.ui.failures import error_boundary, toast_unexpected
from etl_engine.ui.lifetime import lifetime
from etl_engine.ui.pages import connections, mapping, mappings, not_found, overview, run, runs, schedules, schemas
from etl_engine.ui.theme import PRIMARY
from etl_engine.workers.pool import local_workers
from etl_engine.workers.reaper import reap

__all__ = [
    "api",
    "app",
    "connections",
    "mapping",
    "mappings",
    "not_found",
    "overview",
    "run",
    "runs",
    "schedules",
    "schemas",
]

config = get_config()
api = create_api(
    wiring.context,
    prefix=settings.load().api_v1_prefix,
    origins=config.cors_allowed_origins,
    answers_cors=False,  # Reflex does, for pages and API
)

app = rx.App(
    api_transformer=beside_pages(api),
    stylesheets=[
        "/fonts.css",
        "/tokens.css",
        "/styles.css",
        "/form.css",
        "/connections.css",
        "/runs.css",
        "/schemas.css",
        "/mappings.css",
    ],
    html_lang="en",
    head_components=[
        rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
        rx.el.link(rel="alternate icon", href="/favicon.ico", sizes="48x48"),
        rx.el.meta(name="theme-color", content=PRIMARY),
    ],
    # Without Reflex's own overlay: a lost connection is said by our banner.
    app_wraps={(55, "ErrorBoundary"): error_boundary},
    toaster=rx.toast.provider(position="bottom-right", close_button=True, rich_colors=False),
    hydrate_fallback=rx.el.div,
    backend_exception_handler=toast_unexpected,
)
app.register_lifespan_task(lifetime)
app.register_lifespan_task(reap)
app.register_lifespan_task(local_workers)
app.register_lifespan_task(end_with_the_server)
