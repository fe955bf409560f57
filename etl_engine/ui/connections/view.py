"""The whole list: its head, its tools, what it holds, and what it says when it holds nothing."""

import reflex as rx

from etl_engine.ui.components.art import flow_art
from etl_engine.ui.components.empty_state import empty_state
from etl_engine.ui.components.error_state import error_state
from etl_engine.ui.components.modal import confirm
from etl_engine.ui.components.page_header import page_header
from etl_engine.ui.components.pagination import pagination
from etl_engine.ui.components.shortcuts import shortcuts
from etl_engine.ui.components.skeleton import skeleton_cards
from etl_engine.ui.components.views import views
from etl_engine.ui.connection_form import ConnectionForm, connection_dialog
from etl_engine.ui.connections.actions import ConnectionActions
from etl_engine.ui.connections.cards import cards
from etl_engine.ui.connections.diagnosis import diagnosis
from etl_engine.ui.connections.sample import SampleData
from etl_engine.ui.connections.state import Connections
from etl_engine.ui.connections.table import table
from etl_engine.ui.connections.testing import ConnectionTests
from etl_engine.ui.connections.toolbar import SEARCH, SHAPES, toolbar

Bar = Connections.bar
_NEW = ConnectionForm.open_new("")


def connections_list() -> rx.Component:
    return rx.fragment(
        page_header("Connections", Bar.subtitle, rx.cond(Bar.matching > 0, _test_all()), _new("New Connection")),
        rx.cond(ConnectionTests.all_running, _progress()),
        rx.cond(
            Connections.trouble.message != "",
            error_state("The connections could not be read", Connections.trouble, Connections.load),
            rx.cond(
                Connections.loaded,
                rx.cond(Bar.total > 0, rx.fragment(toolbar(), _rows()), _empty()),
                skeleton_cards(),
            ),
        ),
        _question(),
        diagnosis(),
        connection_dialog(),
        shortcuts(SEARCH, _NEW),
        rx.el.p(ConnectionTests.said, role="status", class_name="visually-hidden"),
    )


def _rows() -> rx.Component:
    return rx.cond(
        Bar.matching > 0,
        rx.fragment(
            views(cards(), table(), views=SHAPES, rows=Connections.rows),
            rx.cond(Bar.before + Bar.after != "", pagination(Bar.pages, Bar.before, Bar.after, Bar.extent)),
        ),
        empty_state(
            rx.icon("search-x", size=44, stroke_width=1.6, aria_hidden="true", class_name="empty-icon"),
            "No connection fits",
            rx.cond(
                Bar.hidden != "",
                "The search finds some, but the filters hide them.",
                "Try fewer letters, or a part of the host, the database or the user.",
            ),
            rx.cond(
                Bar.hidden != "",
                rx.el.a("Clear the filters", href=Bar.everything, class_name="button primary"),
                rx.el.a("Show all connections", href=Bar.unnarrowed, class_name="button primary"),
            ),
        ),
    )


def _new(words: str) -> rx.Component:
    return rx.el.button(
        rx.icon("plus", size=17, aria_hidden="true"), words, type="button", on_click=_NEW, class_name="button primary"
    )


def _test_all() -> rx.Component:
    return rx.el.button(
        rx.cond(
            ConnectionTests.all_running,
            rx.icon("loader-circle", size=16, aria_hidden="true", class_name="spin"),
            rx.icon("zap", size=16, aria_hidden="true"),
        ),
        rx.cond(Bar.narrowed, f"Test these {Bar.shown}", "Test all"),
        type="button",
        on_click=ConnectionTests.test_all(False),
        disabled=ConnectionTests.all_running,
        class_name="button",
    )


def _progress() -> rx.Component:
    tests = ConnectionTests
    return rx.el.div(
        rx.el.progress(value=tests.done, max=rx.cond(tests.total > 0, tests.total, 1), aria_label="Tests"),
        rx.el.p(
            rx.el.b(f"{tests.done} of {tests.total}"),
            " tested",
            rx.cond(tests.failed > 0, rx.el.span(f" · {tests.failed} failed", class_name="bad")),
        ),
        rx.el.button(
            rx.cond(tests.stopping, "Stopping", "Cancel"),
            type="button",
            on_click=tests.stop,
            disabled=tests.stopping,
            class_name="button small",
        ),
        class_name="card progress",
    )


def _empty() -> rx.Component:
    sample = rx.el.button(
        rx.cond(
            SampleData.making,
            rx.icon("loader-circle", size=16, aria_hidden="true", class_name="spin"),
            rx.icon("sparkles", size=16, aria_hidden="true"),
        ),
        "Try with sample data",
        type="button",
        on_click=SampleData.make,
        disabled=SampleData.making,
        class_name="button",
    )
    making = rx.el.div(
        rx.el.progress(value=SampleData.percent, max=100, aria_label="Sample data"),
        rx.el.p(SampleData.what, role="status"),
        class_name="making",
    )
    return rx.el.div(
        empty_state(
            flow_art(),
            "Connect your first database",
            "A connection says where data lives and how to sign in. It is tested step by step, and its password is "
            "encrypted before it is stored.",
            _new("Add a connection"),
            sample,
        ),
        rx.cond(SampleData.making, making),
        class_name="first-minute",
    )


def _question() -> rx.Component:
    doomed = ConnectionActions.doomed
    return confirm(
        open=doomed.id != "",
        busy=ConnectionActions.deleting,
        title=f"Delete {doomed.name}?",
        text=rx.fragment(
            rx.el.p(
                f"The {doomed.title} connection to ",
                rx.el.code(doomed.place),
                " goes, with its password and its test history.",
            ),
            rx.el.p("Nothing in the database itself is touched."),
        ),
        word="Delete",
        on_yes=ConnectionActions.delete,
        on_no=ConnectionActions.keep,
    )
