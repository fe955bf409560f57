"""What an address shows that leads nowhere."""

import reflex as rx

from etl_engine.ui.components.empty_state import empty_state
from etl_engine.ui.template import page


@page(route="404", title="Not found")
def not_found() -> rx.Component:
    return empty_state(
        rx.el.p("404", class_name="big-number", aria_hidden="true"),
        "There is no page at this address",
        "It may have moved, or the link that led here has a typing error.",
        rx.el.a("Go to the connections", href="/", class_name="button primary"),
    )
