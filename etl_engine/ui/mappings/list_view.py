"""The list of mappings: its head, what it holds, and what it says when it holds nothing."""

from typing import Any, cast

import reflex as rx

from etl_engine.ui.components.art import flow_art
from etl_engine.ui.components.by_content import BY_CONTENT
from etl_engine.ui.components.empty_state import empty_state
from etl_engine.ui.components.error_state import error_state
from etl_engine.ui.components.icon_button import icon_button
from etl_engine.ui.components.kind_tile import kind_tile
from etl_engine.ui.components.modal import confirm
from etl_engine.ui.components.page_header import page_header
from etl_engine.ui.components.pagination import pagination
from etl_engine.ui.components.search_box import search_box
from etl_engine.ui.components.shortcuts import shortcuts
from etl_engine.ui.components.skeleton import skeleton_cards
from etl_engine.ui.components.status import status
from etl_engine.ui.components.time_ago import time_ago
from etl_engine.ui.mappings.address import NEW, PATH, mapping_address
from etl_engine.ui.mappings.listing import Mappings
from etl_engine.ui.mappings.rows import Row
from etl_engine.ui.runs.looks import RUN_STATUS, UNKNOWN

Shown: Any = Mappings  # its attributes are Vars here
SEARCH = "search"


def mappings_list() -> rx.Component:
    return rx.fragment(
        page_header("Mappings", Shown.bar.subtitle, _new("New mapping")),
        rx.cond(
            Shown.trouble.message != "",
            error_state("The mappings could not be read", Shown.trouble, Mappings.load),
            rx.cond(Shown.loaded, rx.cond(Shown.bar.any, rx.fragment(_toolbar(), _rows()), _empty()), skeleton_cards()),
        ),
        _question(),
        shortcuts(SEARCH, Mappings.make),
    )


def _new(words: str) -> rx.Component:
    return rx.el.a(
        rx.icon("plus", size=17, aria_hidden="true"), words, href=mapping_address(NEW), class_name="button primary"
    )


def _toolbar() -> rx.Component:
    box = search_box(id=SEARCH, label="Search mappings", placeholder="Search by name or description…")
    return rx.el.div(rx.el.div(box, class_name="tools"), class_name="toolbar")


def _rows() -> rx.Component:
    listed = rx.el.ul(
        rx.foreach(Shown.rows, lambda row: rx.fragment(_mapping_card(row=row), key=row.id)),
        aria_label="Mappings",
        data_view="cards",
        class_name="mappings",
    )
    nothing = empty_state(
        rx.icon("search-x", size=44, stroke_width=1.6, aria_hidden="true", class_name="empty-icon"),
        "No mapping fits",
        "Try fewer letters.",
        rx.el.a("Show all mappings", href=PATH, class_name="button primary"),
    )
    bar = Shown.bar
    turn = rx.cond(bar.before + bar.after != "", pagination(Shown.pages, bar.before, bar.after, bar.extent))
    return rx.cond(Shown.rows.length() > 0, rx.fragment(listed, turn), nothing)


@rx.memo(wrapper=BY_CONTENT)
def _mapping_card(row: rx.Var[Row]) -> rx.Component:
    return _card(cast(Row, row))


def _card(row: Row) -> rx.Component:
    title = rx.el.div(
        rx.el.h2(rx.el.a(row.name, href=row.address, data_name=row.id)),
        rx.el.p(rx.cond(row.description != "", row.description, f"{row.rules} into {row.schema}"), class_name="of"),
        class_name="mapping-card-title",
    )
    way = rx.el.div(
        _end(row.source_type, row.source, row.query),
        rx.icon("arrow-right", size=16, aria_hidden="true"),
        _end(row.destination_type, row.destination, rx.cond(row.table != "", f"{row.table} · {row.mode}", row.mode)),
        class_name="mapping-way",
    )
    last = rx.el.a(
        status(row.status, RUN_STATUS, UNKNOWN),
        rx.el.small(
            time_ago(at=row.last),
            rx.cond(row.loaded != "", " · " + row.loaded + " rows", ""),
            rx.cond(row.rejected != "", " · " + row.rejected + " kept apart", ""),
        ),
        href=row.last_run,
        class_name="mapping-last",
    )
    return rx.el.li(
        title,
        way,
        rx.cond(row.status != "", last, rx.el.span("Never run", class_name="mapping-last never")),
        _acts(row),
        data_card=row.id,
        data_status=row.status,
        class_name="card mapping-card",
    )


def _end(db_type: Any, name: Any, what: Any) -> rx.Component:
    return rx.el.div(kind_tile(db_type), rx.el.div(rx.el.b(name), rx.el.small(what)), class_name="mapping-end")


def _acts(row: Row) -> rx.Component:
    schedule = rx.el.a(
        rx.icon("clock-3", size=16, aria_hidden="true"),
        href=row.schedule,
        aria_label=f"Schedule {row.name}",
        data_tip="Schedule",
        class_name="icon-button",
    )
    return rx.el.div(
        rx.el.button(
            rx.icon("play", size=14, aria_hidden="true"),
            "Run",
            type="button",
            aria_label=f"Run {row.name}",
            on_click=Mappings.run(row.id),
            data_act="test",
            class_name="button small",
        ),
        schedule,
        icon_button("copy", f"Duplicate {row.name}", "Duplicate", Mappings.duplicate(row.id), data_act="duplicate"),
        icon_button(
            "trash-2",
            f"Delete {row.name}",
            "Delete",
            Mappings.ask_to_delete(row.id),
            data_act="delete",
            data_tip_side="left",
        ),
        class_name="acts",
    )


def _empty() -> rx.Component:
    return empty_state(
        flow_art(),
        "From a query to rows that fit",
        "Write a query, look at fifty real rows, draw lines from its columns to the fields of a schema, and run it. "
        "Rows that do not fit are kept apart with the reason.",
        _new("Make a mapping"),
    )


def _question() -> rx.Component:
    doomed = Shown.doomed
    return confirm(
        open=doomed.id != "",
        busy=Shown.busy,
        title=f"Delete {doomed.name}?",
        text=rx.fragment(
            rx.el.p(f"It goes with its query and its {doomed.rules}."),
            rx.el.p("Its runs stay, and so do the schema and the rows that it wrote."),
        ),
        word="Delete",
        on_yes=Mappings.delete,
        on_no=Mappings.keep,
    )
