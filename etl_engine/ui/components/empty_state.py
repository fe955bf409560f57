"""What a list shows while it has nothing: why, and the one thing to do."""

import reflex as rx

from etl_engine.ui.props import Text


def empty_state(art: rx.Component, title: Text, text: Text, *actions: rx.Component) -> rx.Component:
    return rx.el.section(
        art,
        rx.el.h2(title),
        rx.el.p(text),
        rx.el.div(*actions, class_name="actions"),
        class_name="card empty",
    )
