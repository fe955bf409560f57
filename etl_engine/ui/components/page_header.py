"""The head of a page: its title, one sentence, its actions."""

import reflex as rx

from etl_engine.ui.props import Text


def page_header(title: str, subtitle: Text, *actions: rx.Component) -> rx.Component:
    return rx.el.header(
        rx.el.div(rx.el.h1(title), rx.el.p(subtitle)),
        rx.el.div(*actions, class_name="actions") if actions else rx.fragment(),
        class_name="page-header",
    )
