"""Icon, word and colour of a state."""

from collections.abc import Mapping

import reflex as rx

from etl_engine.ui.props import Text
from etl_engine.ui.theme import Look


def status(value: Text, looks: Mapping[str, Look], otherwise: Look, age: Text | None = None) -> rx.Component:
    """The look that belongs to `value`, and how long ago that was found out."""
    cases = [(key, _shown(look, age)) for key, look in looks.items()]
    return rx.match(value, *cases, _shown(otherwise, None))


def _shown(look: Look, age: Text | None) -> rx.Component:
    return rx.el.span(
        rx.icon(look.icon, size=15, stroke_width=2.6, aria_hidden="true"),
        look.word,
        rx.el.span(age, class_name="age") if age is not None else rx.fragment(),
        class_name=f"status {look.tone}",
    )
