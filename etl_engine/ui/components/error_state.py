"""What a page shows when its data did not come: what happened, what to do, which request it was, again."""

import reflex as rx

from etl_engine.ui.props import Handler, Text
from etl_engine.ui.session import Trouble


def error_state(title: Text, trouble: Trouble, retry: Handler) -> rx.Component:
    return rx.el.section(
        rx.icon("circle-x", size=20, aria_hidden="true"),
        rx.el.div(
            rx.el.h2(title),
            rx.el.p(trouble.message),
            rx.cond(trouble.hint != "", rx.el.p(trouble.hint)),
            rx.el.p(trouble.facts, class_name="facts"),
            rx.el.div(
                rx.el.button(rx.icon("rotate-cw", size=16), "Try again", on_click=retry, class_name="button"),
                class_name="actions",
            ),
        ),
        role="alert",
        class_name="card trouble",
    )
