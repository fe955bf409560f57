"""When the screen itself fails: a page that says so, and a message for a handler that broke."""

import secrets

import reflex as rx
import structlog
from reflex.event import EventSpec
from reflex_components_core.base.error_boundary import ErrorBoundary  # type: ignore[import-untyped] # has no py.typed

from etl_engine.ui.components.empty_state import empty_state
from etl_engine.ui.toasts import Toasts

log = structlog.get_logger("etl_engine.ui")


def error_boundary(_stateful: bool) -> rx.Component:
    """Around every page: what a browser shows that cannot draw it. Reflex sends the error to the server's log."""
    fallback = rx.el.main(
        empty_state(
            rx.icon("unplug", size=48, aria_hidden="true", class_name="empty-icon"),
            "This page broke",
            "Nothing that was saved is lost. Loading the page again mostly helps; the error is in the engine's log.",
            rx.el.button(
                "Load the page again", on_click=rx.run_script("location.reload()"), class_name="button primary"
            ),
        ),
        class_name="main",
    )
    return ErrorBoundary.create(fallback_render=fallback)


def toast_unexpected(exception: Exception) -> EventSpec:
    """An event handler raised: the error goes to the log, its number to the person."""
    request_id = secrets.token_hex(8)
    log.error("an event handler failed", request_id=request_id, exc_info=exception)
    answer: EventSpec = Toasts.unexpected(request_id)
    return answer
