"""The rows of the preview: the source's values, and beside them what the mapping makes of them."""

from typing import Any

import reflex as rx

from etl_engine.ui.mappings.browser import rows_table
from etl_engine.ui.mappings.editor import Editor

Shown: Any = Editor.grid  # Vars here
Given: Any = Editor.given
Made: Any = Editor.made


def rows_part() -> rx.Component:
    nothing = rx.el.div(
        rx.icon("table-2", size=30, stroke_width=1.6, aria_hidden="true"),
        rx.el.p("Preview shows the first 50 rows here, and beside each what the mapping makes of it."),
        class_name="board-empty",
    )
    told = rx.el.span(
        rx.cond(
            Shown.tone == "ok",
            rx.icon("check", size=14, aria_hidden="true"),
            rx.icon("triangle-alert", size=14, aria_hidden="true"),
        ),
        Shown.told,
        class_name=rx.cond(Shown.tone == "ok", "status ok", "status warn"),
    )
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Rows"),
            rx.el.p(Shown.said, class_name="hint"),
            rx.cond(Shown.told != "", told),
            rx.cond(Made.heads.length() > 0, _sides()),
            class_name="part-head",
        ),
        rx.cond(Given.heads.length() > 0, rows_table(given=Given, made=Made, refusals=Shown.refusals), nothing),
        class_name="card mapping-part rows-part",
    )


def _sides() -> rx.Component:
    """Which side is looked at: the browser alone decides."""

    def side(value: str, word: str, *, first: bool = False) -> rx.Component:
        chosen = rx.el.input(type="radio", name="side", value=value, default_checked=first)
        return rx.el.label(chosen, rx.el.span(word))

    return rx.el.fieldset(
        rx.el.legend("Which side to show", class_name="visually-hidden"),
        side("both", "Both", first=True),
        side("source", "Source"),
        side("result", "Result"),
        class_name="sides",
    )
