"""The mark: a row leaving its source, passing the engine, arriving once."""

import reflex as rx

from etl_engine.ui.theme import BRAND, PROMISE


def mark(size: int = 20) -> rx.Component:
    return rx.el.svg(
        rx.el.svg.circle(cx="5", cy="6", r="2.5"),
        rx.el.svg.circle(cx="19", cy="18", r="2.5"),
        rx.el.svg.path(d="M7.5 6H13a3.5 3.5 0 0 1 3.5 3.5v0A3.5 3.5 0 0 1 13 13h-2a2.5 2.5 0 0 0 0 5h5.5"),
        view_box="0 0 24 24",
        width=str(size),
        height=str(size),
        fill="none",
        stroke="currentColor",
        stroke_width="1.9",
        custom_attrs={"strokeLinecap": "round", "strokeLinejoin": "round", "aria-hidden": "true"},
    )


def brand() -> rx.Component:
    return rx.el.a(
        rx.el.span(mark(), class_name="brand-mark"),
        rx.el.span(rx.el.b(BRAND), rx.el.small(PROMISE)),
        href="/",
        class_name="brand",
    )
