"""When the screen itself fails: a page that says so, and a toast for a handler that broke."""

import logging
import secrets

import reflex as rx
from reflex.event import EventSpec
from reflex_components_core.base.error_boundary import ErrorBoundary  # type: ignore[import-untyped] # has no py.typed

from etl_engine.ui.components.empty_state import empty_state

logger = logging.getLogger(__name__)


def error_boundary(_stateful: bool) -> rx.Component:
    """Around every page: what a browser shows that cannot draw it. Reflex sends the error to the server's log."""
    fallback = rx.el.main(
        empty_state(
            rx.icon("unplug", size=48, aria_hidden="true", class_name="empty-icon"),
            "This page broke",
            "Nothing that was saved is lost. Loading the page again mostly helps; the error is in the engine's log.",
            rx.el.button(
                "Load the page again", on_click=rx.call_script("location.reload()"), class_name="button primary"
            ),
        ),
        class_name="main",
    )
    return ErrorBoundary.create(fallback_render=fallback)


def toast_unexpected(exception: Exception) -> EventSpec:
    """What a person sees when an event handler raised: never a traceback, always a number to look for."""
    request_id = secrets.token_hex(8)
    logger.error("request %s failed", request_id, exc_info=exception)
    return rx.toast.error(
        "The engine met an error of its own",
        description=f"Try again. If it stays, look for request {request_id} in the log of the engine.",
        duration=15_000,
    )
