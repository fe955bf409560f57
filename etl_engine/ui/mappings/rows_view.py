"""The rows of the preview: the source's values, and beside them what the mapping makes of them."""

from typing import Any

import reflex as rx

from etl_engine.ui.mappings.editor import Editor
from etl_engine.ui.mappings.grid import Cell, Head, Line

Shown: Any = Editor.grid


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
            rx.cond(Shown.results > 0, _sides()),
            class_name="part-head",
        ),
        rx.cond(Shown.heads.length() > 0, _table(), nothing),
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


def _table() -> rx.Component:
    groups = rx.el.tr(
        rx.el.td(),
        rx.el.th("Source", col_span=Shown.sources, scope="colgroup", class_name="source"),
        rx.cond(Shown.results > 0, rx.el.th("Result", col_span=Shown.results, scope="colgroup", class_name="result")),
        class_name="groups",
    )
    return rx.el.div(
        rx.el.table(
            rx.el.caption("The first rows", class_name="visually-hidden"),
            rx.el.thead(
                groups,
                rx.el.tr(rx.el.th("#", scope="col"), rx.foreach(Shown.heads, _head)),
            ),
            rx.el.tbody(rx.foreach(Shown.lines, _line)),
        ),
        role="region",
        aria_label="The first rows",
        tab_index=0,
        class_name="preview-box",
    )


def _head(head: Head) -> rx.Component:
    return rx.el.th(head.name, rx.el.small(head.native), scope="col", class_name=head.side)


def _line(line: Line) -> rx.Component:
    return rx.fragment(
        rx.el.tr(
            rx.el.th(line.number, scope="row"),
            rx.foreach(line.cells, _cell),
            class_name=rx.cond(line.refusal != "", "refused", ""),
        ),
        rx.cond(
            line.refusal != "",
            rx.el.tr(
                rx.el.td(),
                rx.el.td(
                    rx.icon("triangle-alert", size=13, aria_hidden="true"),
                    line.refusal,
                    col_span=Shown.sources + Shown.results,
                ),
                class_name="refusal-line",
            ),
        ),
        key=line.number,
    )


def _cell(cell: Cell) -> rx.Component:
    return rx.el.td(cell.text, class_name=cell.tone)
