"""The page of one run."""

import reflex as rx

from etl_engine.ui.components.empty_state import empty_state
from etl_engine.ui.components.error_state import error_state
from etl_engine.ui.components.shortcuts import shortcuts
from etl_engine.ui.components.skeleton import skeleton_cards
from etl_engine.ui.components.status import status
from etl_engine.ui.components.time_ago import time_ago
from etl_engine.ui.props import Flag, Handler
from etl_engine.ui.runs.address import PATH
from etl_engine.ui.runs.detail import Bar, Change, Kept, Tile
from etl_engine.ui.runs.log import run_log
from etl_engine.ui.runs.looks import RUN_STATUS, UNKNOWN
from etl_engine.ui.runs.state import Run

This = Run.run
SEARCH = "search"


def run_page() -> rx.Component:
    return rx.fragment(
        rx.cond(
            Run.missing,
            _missing(),
            rx.cond(
                Run.trouble.message != "",
                error_state("The run could not be read", Run.trouble, Run.load),
                rx.cond(Run.loaded, _run(), skeleton_cards(4)),
            ),
        ),
        shortcuts(SEARCH, rx.noop()),
    )


def _run() -> rx.Component:
    return rx.fragment(
        _head(),
        rx.cond(This.percent >= 0, _progress()),
        rx.cond(This.error != "", _failure()),
        rx.el.ul(rx.foreach(This.tiles, number_tile), aria_label="Numbers", class_name="tiles"),
        rx.el.div(_timeline(), _history(), class_name="run-columns"),
        rx.cond(This.kept_note != "", _quarantine()),
        run_log(This.id, This.live, This.log_lines),
    )


def _head() -> rx.Component:
    crumbs = rx.el.nav(rx.el.a("Runs", href=PATH), aria_label="Breadcrumbs", class_name="crumbs")
    heart = rx.el.span(rx.el.i(class_name="beat", aria_hidden="true"), "last sign of life ", time_ago(at=This.heart))
    facts = rx.el.p(
        This.facts,
        " · ",
        time_ago(at=This.created),
        rx.cond(This.heart != "", heart),
        class_name="run-facts",
    )
    links = rx.el.p(
        rx.cond(This.others != "", rx.el.a("All its runs", href=This.others)),
        rx.cond(This.retry_of != "", rx.el.a("The run that this one repeats", href=This.retry_of)),
        class_name="run-links",
    )
    return rx.el.header(
        rx.el.div(
            crumbs,
            rx.el.h1(This.name, status(This.status, RUN_STATUS, UNKNOWN)),
            rx.el.p(This.sentence, role="status", class_name="sentence"),
            facts,
            links,
        ),
        rx.el.div(
            rx.cond(This.can_retry, _act("rotate-cw", "Retry", Run.retry, Run.retrying, "button primary")),
            rx.cond(This.can_cancel, _act("x", "Cancel", Run.cancel, Run.cancelling, "button cancel")),
            class_name="actions",
        ),
        class_name="page-header run-head",
    )


def _act(icon: str, word: str, handler: Handler, busy: Flag, look: str) -> rx.Component:
    spinner = rx.icon("loader-circle", size=16, aria_hidden="true", class_name="spin")
    return rx.el.button(
        rx.cond(busy, spinner, rx.icon(icon, size=16, aria_hidden="true")),
        word,
        type="button",
        on_click=handler,
        disabled=busy,
        class_name=look,
    )


def _progress() -> rx.Component:
    return rx.el.div(
        rx.el.progress(value=This.percent, max=100, aria_label="Rows read"),
        rx.el.p(rx.el.b(f"{This.percent} %"), rx.cond(This.left != "", " · " + This.left, "")),
        class_name="card progress",
    )


def _failure() -> rx.Component:
    return rx.el.section(
        rx.icon("circle-x", size=20, aria_hidden="true"),
        rx.el.div(
            rx.el.h2(rx.cond(This.failed_at != "", "It failed at “" + This.failed_at + "”", "It failed")),
            rx.el.p(This.error),
            rx.cond(This.hint != "", rx.el.p(rx.el.b("What to do: "), This.hint)),
            rx.cond(This.who != "", rx.el.p(This.who)),
            rx.el.p(This.code, " · run ", This.id, class_name="facts"),
        ),
        aria_label="Error",
        class_name="card trouble",
    )


def number_tile(tile: Tile) -> rx.Component:
    return rx.el.li(
        rx.el.span(tile.title),
        rx.el.b(tile.value, title=tile.exact, class_name=tile.tone),
        rx.el.small(tile.note),
        key=tile.title,
        class_name="card tile-number",
    )


def _timeline() -> rx.Component:
    return rx.el.section(
        rx.el.h2("Tasks"),
        rx.el.ol(rx.foreach(This.bars, _bar), class_name="gantt"),
        aria_label="Tasks",
        class_name="card run-part",
    )


def _bar(bar: Bar) -> rx.Component:
    drawn = rx.el.span(
        rx.el.i(
            class_name="bar " + bar.status,
            style={"marginInlineStart": bar.left, "width": bar.width},
            aria_hidden="true",
        ),
        class_name="lane",
    )
    return rx.el.li(
        rx.el.div(rx.el.b(bar.title), status(bar.status, RUN_STATUS, UNKNOWN), class_name="task-name"),
        rx.cond(bar.begun, drawn, rx.el.span(class_name="lane")),
        rx.el.span(bar.took, rx.cond(bar.text != "", rx.el.small(bar.text)), class_name="task-said"),
        key=bar.id,
    )


def _history() -> rx.Component:
    return rx.el.section(
        rx.el.h2("What happened"),
        rx.el.ol(rx.foreach(This.history, _change), class_name="history"),
        aria_label="What happened",
        class_name="card run-part",
    )


def _change(change: Change) -> rx.Component:
    return rx.el.li(rx.el.b(change.status), time_ago(at=change.at), rx.el.small(change.text))


def _quarantine() -> rx.Component:
    heads = [rx.el.th(title, scope="col") for title in ("Row", "Column", "Value", "Reason")]
    table = rx.el.div(
        rx.el.table(
            rx.el.caption("Rows that were set aside", class_name="visually-hidden"),
            rx.el.thead(rx.el.tr(*heads)),
            rx.el.tbody(rx.foreach(This.kept, _kept)),
        ),
        role="region",
        aria_label="Rows that were set aside",
        tab_index=0,
        class_name="kept-box",
    )
    return rx.el.section(
        rx.el.h2("Set aside"),
        rx.el.p(This.kept_note),
        rx.cond(This.kept.length() > 0, table),  # type: ignore[attr-defined] # a Var here
        aria_label="Set aside",
        class_name="card run-part",
    )


def _kept(kept: Kept) -> rx.Component:
    return rx.el.tr(
        rx.el.td(kept.row),
        rx.el.td(rx.el.code(kept.column)),
        rx.el.td(rx.el.code(kept.value)),
        rx.el.td(kept.reason),
    )


def _missing() -> rx.Component:
    return empty_state(
        rx.icon("search-x", size=44, stroke_width=1.6, aria_hidden="true", class_name="empty-icon"),
        "There is no such run",
        "Its address may be cut off.",
        rx.el.a("Show all runs", href=PATH, class_name="button primary"),
    )
