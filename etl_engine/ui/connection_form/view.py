"""The dialog: the form on the left, its test on the right."""

from typing import Any

import reflex as rx

from etl_engine.services.paste import LARGEST_TEXT
from etl_engine.ui.components.kind_tile import kind_tile
from etl_engine.ui.connection_form.browser import form_address, form_shell, paste_box
from etl_engine.ui.connection_form.fields import PREFIX, Fold, chooser, field_view
from etl_engine.ui.connection_form.guide import guide_view
from etl_engine.ui.connection_form.ladder import failure_box, rung_view, success_box
from etl_engine.ui.connection_form.screen import Choice, Read
from etl_engine.ui.connection_form.state import FORM, ConnectionForm

Form: Any = ConnectionForm  # its attributes are Vars here


def connection_dialog() -> rx.Component:
    """Mounted once in a page; `ConnectionForm.open_new` and `open_edit` show it, and so does its address."""
    return rx.fragment(
        form_address(
            kind=rx.cond(Form.shown & (Form.connection_id == ""), Form.db_type, ""),
            connection=rx.cond(Form.shown, Form.connection_id, ""),
            visited=Form.visited,
            dirty=Form.dirty,
            missed=Form.missed,
            on_visit=Form.visit,
            on_back=Form.leave_form,
        ),
        rx.dialog.root(
            rx.dialog.content(
                _form(),
                on_escape_key_down=Form.escape.prevent_default,
                on_interact_outside=Form.leave_form.prevent_default,
                on_pointer_down_outside=rx.prevent_default,
                class_name="form-dialog",
            ),
            open=Form.shown,
        ),
    )


def _form() -> rx.Component:
    return form_shell(
        _head(),
        rx.el.div(
            _paste(),
            rx.el.div(
                rx.foreach(
                    Form.fields,
                    lambda one: rx.fragment(
                        field_view(one, Form.problems, Form.advice),
                        rx.cond(one.first, _kind()),
                        key=one.name + " " + one.widget,
                    ),
                ),
                class_name="fields",
            ),
            rx.foreach(Form.folds, _fold),
            inert=Form.asking,
            class_name="form-body",
        ),
        _foot(),
        _panel(),
        id=FORM,
        key=Form.opening,
        shown=Form.shown,
        attempt=Form.attempt,
        wrong=Form.wrong,
        asking=Form.asking,
        dirty=Form.dirty,
        testing=Form.testing,
        ready=Form.can_save & ~Form.saving,
        on_test=Form.test,
        on_save=Form.save,
        on_cancel=Form.cancel,
        on_touch=Form.touch,
        on_leave=Form.leave_field,
        class_name="connection-form",
    )


def _head() -> rx.Component:
    return rx.el.header(
        kind_tile(Form.db_type),
        rx.el.div(
            rx.dialog.title(
                rx.cond(Form.connection_id == "", "New connection", "Edit connection"),
                custom_attrs={"as": "h2"},
                class_name="form-title",
            ),
            rx.dialog.description(
                rx.cond(
                    Form.connection_id == "",
                    "Nothing is saved before the test succeeds.",
                    rx.fragment(rx.el.b(Form.name), ": what changes is tested before it is saved."),
                ),
                class_name="form-subtitle",
            ),
        ),
        rx.el.button(
            rx.icon("x", size=18, aria_hidden="true"),
            type="button",
            aria_label="Close",
            title="Close",
            on_click=Form.leave_form,
            data_unchecked="",
            class_name="button quiet icon",
        ),
        class_name="form-head",
    )


def _paste() -> rx.Component:
    label, told = PREFIX + "paste", PREFIX + "paste-told"
    understood = rx.fragment(
        rx.el.p(
            rx.icon("check", size=15, stroke_width=2.6, aria_hidden="true"),
            rx.el.span("Filled from ", rx.el.b(Form.pasted)),
        ),
        rx.el.ul(rx.foreach(Form.read, _read), class_name="chips"),
        rx.foreach(Form.notes, lambda note: rx.el.p(rx.icon("info", size=15, aria_hidden="true"), note)),
    )
    return rx.el.div(
        rx.el.label("Paste anything that describes the database", html_for=label, class_name="visually-hidden"),
        paste_box(
            id=label,
            described_by=told,
            placeholder="Paste a URL, DSN, JDBC string or .env lines, and the form fills itself",
            max_length=LARGEST_TEXT,
            on_text=Form.take_paste,
        ),
        rx.el.div(
            rx.cond(Form.pasted != "", understood),
            rx.cond(
                Form.unread.message != "",
                rx.el.p(
                    rx.icon("circle-alert", size=15, aria_hidden="true"),
                    rx.el.span(rx.el.b(Form.unread.message + "."), " ", Form.unread.hint),
                    class_name="problem",
                ),
            ),
            id=told,
            class_name="paste-told",
        ),
        class_name="paste-zone",
    )


def _read(one: Read) -> rx.Component:
    return rx.el.li(one.title, title=one.title + " from " + one.source)


def _kind() -> rx.Component:
    name = PREFIX + "db_type"
    options = rx.foreach(Form.kinds, _option)
    return rx.el.div(
        rx.el.label("Database type", html_for=name),
        chooser(options, id=name, name="db_type", value=Form.db_type, on_change=Form.choose_kind),
        class_name="field half",
    )


def _option(kind: Choice) -> rx.Component:
    return rx.el.option(kind.title, value=kind.db_type)


def _fold(fold: Fold) -> rx.Component:
    return rx.el.details(
        rx.el.summary(rx.icon("chevron-right", size=16, aria_hidden="true"), fold.title),
        rx.el.div(
            rx.foreach(fold.fields, lambda one: field_view(one, Form.problems, Form.advice)), class_name="fields"
        ),
        key=fold.name,
        open=fold.opened,
        class_name="fold",
    )


def _foot() -> rx.Component:
    return rx.el.footer(
        rx.cond(
            Form.trouble.message != "",
            rx.el.div(
                rx.icon("circle-alert", size=17, aria_hidden="true"),
                rx.el.div(rx.el.b(Form.trouble.message + "."), " ", Form.trouble.hint),
                rx.cond(
                    Form.stale,
                    rx.el.button(
                        "Load the new values", type="button", on_click=Form.load_new_values, class_name="button small"
                    ),
                ),
                role="alert",
                class_name="form-trouble",
            ),
        ),
        rx.cond(Form.asking, _question(), _actions()),
        class_name="form-foot",
    )


def _actions() -> rx.Component:
    spinner = rx.icon("loader-circle", size=16, aria_hidden="true", class_name="spin")
    return rx.el.div(
        rx.el.button(
            rx.cond(
                Form.testing,
                rx.fragment(spinner, "Cancel"),
                rx.fragment(
                    rx.icon("zap", size=16, aria_hidden="true"),
                    rx.cond((Form.phase == ""), "Test connection", "Test again"),
                ),
            ),
            type="button",
            data_act=rx.cond(Form.testing, "cancel", "test"),
            aria_busy=Form.testing,
            class_name="button",
        ),
        rx.el.button(
            rx.cond(Form.saving, rx.fragment(spinner, "Saving"), "Save"),
            rx.el.kbd("Ctrl ↵", aria_hidden="true"),
            type="button",
            data_act="save",
            disabled=~Form.can_save,
            aria_busy=Form.saving,
            aria_keyshortcuts="Control+Enter",
            class_name="button primary",
        ),
        class_name="form-actions",
    )


def _question() -> rx.Component:
    return rx.el.div(
        rx.icon("triangle-alert", size=18, aria_hidden="true"),
        rx.el.p("Your changes will be lost.", id="form-question"),
        rx.el.button("Keep editing", type="button", data_act="keep", on_click=Form.keep_editing, class_name="button"),
        rx.el.button("Discard", type="button", on_click=Form.discard, class_name="button danger"),
        role="alertdialog",
        aria_labelledby="form-question",
        data_unchecked="",
        class_name="form-question",
    )


def _panel() -> rx.Component:
    closing = rx.cond(Form.can_save, "Ready to save.", "")
    return rx.el.section(
        rx.el.h2("Connection test"),
        rx.el.p(
            rx.match(
                Form.phase,
                ("running", "Climbing step by step; five seconds at most."),
                ("cancelled", "Cancelled. Nothing was saved."),
                ("passed", "Every step holds."),
                ("failed", "One step does not hold yet."),
                "Each step is checked in this order, in five seconds at most.",
            ),
            class_name="panel-subtitle",
        ),
        rx.el.ol(rx.foreach(Form.rungs, rung_view), class_name="rungs"),
        rx.cond(
            Form.outdated,
            rx.el.p(
                rx.icon("history", size=15, aria_hidden="true"),
                "The form has changed since this test. Test again.",
                class_name="outdated",
            ),
        ),
        rx.match(
            Form.phase,
            ("passed", success_box(Form.headline, Form.version, Form.total, closing)),
            ("failed", failure_box(Form.failure, Form.report)),
            rx.fragment(),
        ),
        guide_view(Form.guide),
        rx.el.p(Form.said, role="status", class_name="visually-hidden"),
        inert=Form.asking,
        aria_label="Connection test",
        data_results=Form.results,
        class_name=rx.cond(Form.outdated, "form-panel faded", "form-panel"),
    )
