"""The overview: answers in the order in which people ask."""

from typing import Any

import reflex as rx

from etl_engine.ui.components.art import flow_art
from etl_engine.ui.components.empty_state import empty_state
from etl_engine.ui.components.error_state import error_state
from etl_engine.ui.components.page_header import page_header
from etl_engine.ui.components.skeleton import skeleton_cards
from etl_engine.ui.components.status import status
from etl_engine.ui.components.time_ago import time_ago
from etl_engine.ui.overview.state import Broken, Column, Coming, Overview
from etl_engine.ui.runs.looks import RUN_STATUS, UNKNOWN
from etl_engine.ui.runs.page import number_tile
from etl_engine.ui.runs.rows import Row
from etl_engine.ui.schedules.browser import time_until

This = Overview.page


def overview() -> rx.Component:
    return rx.fragment(
        page_header("Overview", rx.cond(This.any, This.subtitle, "What is broken, running, late and next.")),
        rx.cond(
            Overview.trouble.message != "",
            error_state("The overview could not be read", Overview.trouble, Overview.load),
            rx.cond(Overview.loaded, rx.cond(This.any, _page(), _empty()), skeleton_cards(4)),
        ),
    )


def _page() -> rx.Component:
    return rx.fragment(
        rx.el.ul(rx.foreach(This.tiles, number_tile), aria_label="Numbers", class_name="tiles"),
        rx.el.div(_needs_you(), _chart(), class_name="overview-columns"),
        rx.el.div(_running(), _next(), class_name="overview-columns"),
    )


def _part(title: str, *content: rx.Component) -> rx.Component:
    return rx.el.section(rx.el.h2(title), *content, aria_label=title, class_name="card run-part")


def _none(icon: str, words: str) -> rx.Component:
    return rx.el.p(rx.icon(icon, size=16, aria_hidden="true"), words, class_name="calm")


def _listed(items: Any, draw: Any, nothing: rx.Component, look: str) -> rx.Component:
    return rx.cond(items.length() > 0, rx.el.ul(rx.foreach(items, draw), class_name=look), nothing)


def _needs_you() -> rx.Component:
    more = rx.el.a(This.more_broken, href="/runs?status=failed", class_name="more")
    return _part(
        "Needs you",
        _listed(This.broken, _broken, _none("check", "Nothing is broken."), "broken"),
        rx.cond(This.more_broken != "", more),
        rx.cond(
            This.late.length() > 0,  # type: ignore[attr-defined] # a Var here
            rx.el.ul(rx.foreach(This.late, _late), class_name="coming"),
        ),
    )


def _broken(one: Broken) -> rx.Component:
    return rx.el.li(
        rx.el.a(one.name, href=one.address),
        rx.el.span(time_ago(at=one.at)),
        rx.el.p(one.said),
        rx.cond(one.hint != "", rx.el.p(one.hint, class_name="hint")),
        key=one.id,
    )


def _late(one: Coming) -> rx.Component:
    return rx.el.li(
        rx.el.a(one.name, href=one.address),
        rx.el.span(rx.icon("triangle-alert", size=14, aria_hidden="true"), "late", class_name="status warn"),
        key=one.id,
    )


def _chart() -> rx.Component:
    return _part(
        "Rows loaded per day",
        rx.el.ol(rx.foreach(This.columns, _column), class_name="chart", aria_label="Rows loaded per day"),
        rx.el.p(This.chart, " (days of UTC)"),
    )


def _column(day: Column) -> rx.Component:
    return rx.el.li(
        rx.el.span(day.words, class_name="visually-hidden"),
        rx.el.i(
            title=day.words,
            style={"height": day.height},
            class_name=rx.cond(day.today, "today", ""),
            aria_hidden="true",
        ),
        rx.el.small(day.label, rx.cond(day.failed, rx.el.b("•")), aria_hidden="true"),
        key=day.date,
    )


def _running() -> rx.Component:
    return _part("At work", _listed(This.running, _run, _none("moon", "Nothing runs right now."), "coming"))


def _run(row: Row) -> rx.Component:
    return rx.el.li(
        rx.el.div(rx.el.a(row.name, href=row.address), rx.el.small(row.read, " read · ", row.took)),
        status(row.status, RUN_STATUS, UNKNOWN),
        rx.cond(row.percent >= 0, rx.el.progress(value=row.percent, max=100, aria_label="Rows read")),
        key=row.id,
    )


def _next() -> rx.Component:
    return _part(
        "Next",
        _listed(This.coming, _coming, _none("calendar-off", "No schedule is active."), "coming"),
        rx.el.a("All schedules", href="/schedules", class_name="more"),
    )


def _coming(one: Coming) -> rx.Component:
    return rx.el.li(rx.el.a(one.name, href=one.address), time_until(at=one.at), key=one.id)


def _empty() -> rx.Component:
    return empty_state(
        flow_art(),
        "Nothing has run yet",
        "Here stands what needs you, what runs and what comes next, as soon as something has run.",
        rx.el.a("Look at the connections", href="/", class_name="button primary"),
    )
