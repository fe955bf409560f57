"""The page of the schemas: list, form, question."""

from typing import Any, cast

import reflex as rx

from etl_engine.ui.components.art import flow_art
from etl_engine.ui.components.by_content import BY_CONTENT
from etl_engine.ui.components.empty_state import empty_state
from etl_engine.ui.components.error_state import error_state
from etl_engine.ui.components.icon_button import icon_button
from etl_engine.ui.components.modal import Modal, confirm
from etl_engine.ui.components.page_header import page_header
from etl_engine.ui.components.search_box import search_box
from etl_engine.ui.components.shortcuts import shortcuts
from etl_engine.ui.components.skeleton import skeleton_cards
from etl_engine.ui.components.time_ago import time_ago
from etl_engine.ui.connection_form.fields import chooser
from etl_engine.ui.schemas.form import CHOICES, FORM, SchemaForm
from etl_engine.ui.schemas.rows import ColumnLine, Row, Version
from etl_engine.ui.schemas.state import PATH, Schemas

Form: Any = SchemaForm  # its attributes are Vars here
SEARCH = "search"
_NEW = SchemaForm.open_new


def schemas_list() -> rx.Component:
    return rx.fragment(
        page_header("Schemas", Schemas.subtitle, _new("New schema")),
        rx.cond(
            Schemas.trouble.message != "",
            error_state("The schemas could not be read", Schemas.trouble, Schemas.load),
            rx.cond(
                Schemas.loaded,
                rx.cond(Schemas.total > 0, rx.fragment(_toolbar(), _rows()), _empty()),
                skeleton_cards(),
            ),
        ),
        schema_dialog(),
        _question(),
        shortcuts(SEARCH, _NEW),
    )


def _new(words: str) -> rx.Component:
    return rx.el.button(
        rx.icon("plus", size=17, aria_hidden="true"), words, type="button", on_click=_NEW, class_name="button primary"
    )


def _toolbar() -> rx.Component:
    box = search_box(id=SEARCH, label="Search schemas", placeholder="Search by name or description…")
    return rx.el.div(rx.el.div(box, class_name="tools"), class_name="toolbar")


def _rows() -> rx.Component:
    nothing = empty_state(
        rx.icon("search-x", size=44, stroke_width=1.6, aria_hidden="true", class_name="empty-icon"),
        "No schema fits",
        "Try fewer letters.",
        rx.el.a("Show all schemas", href=PATH, class_name="button primary"),
    )
    rows = rx.el.ul(
        rx.foreach(Schemas.rows, lambda row: rx.fragment(_schema_card(row=row), key=row.id)), class_name="schema-cards"
    )
    return rx.cond(Schemas.rows.length() > 0, rows, nothing)  # type: ignore[attr-defined] # a Var here


@rx.memo(wrapper=BY_CONTENT)
def _schema_card(row: rx.Var[Row]) -> rx.Component:
    return _card(cast(Row, row))


def _card(row: Row) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.button(row.name, type="button", on_click=SchemaForm.open_edit(row.id), data_name=row.id),
            rx.el.span(row.version, class_name="version"),
            class_name="schema-title",
        ),
        rx.cond(row.description != "", rx.el.p(row.description)),
        rx.el.p(rx.el.b(row.fields), " · ", row.names, class_name="schema-fields"),
        rx.el.div(
            rx.el.span(rx.cond(row.users != "", "Used by " + row.users, "Not used yet")),
            rx.el.span("Changed ", time_ago(at=row.changed)),
            icon_button("pencil", "Edit " + row.name, "Edit", SchemaForm.open_edit(row.id), data_act="edit"),
            icon_button("trash-2", "Delete " + row.name, "Delete", Schemas.ask_to_delete(row.id), data_act="delete"),
            class_name="schema-foot",
        ),
        data_card=row.id,
        class_name="card schema-card",
    )


def _empty() -> rx.Component:
    return empty_state(
        flow_art(),
        "Say once what a good row looks like",
        "A schema names the fields that a mapping fills, each with a type. Rows that do not fit are kept apart and "
        "shown, never bent.",
        _new("Make a schema"),
    )


def schema_dialog() -> rx.Component:
    """Also in front of other pages; `SchemaForm.saved` tells them."""
    return Modal.create(
        rx.el.form(
            _head(),
            rx.el.div(
                _text("name", "Name", Form.name, required=True),
                _text("description", "Description", Form.description),
                rx.el.fieldset(
                    rx.el.legend("Fields"),
                    rx.el.ol(rx.foreach(Form.lines, _line), class_name="schema-lines"),
                    rx.el.button(
                        rx.icon("plus", size=16, aria_hidden="true"),
                        "Add a field",
                        type="button",
                        on_click=SchemaForm.add,
                        class_name="button small",
                    ),
                ),
                rx.cond(Form.versions.length() > 0, _history()),
                class_name="form-body",
            ),
            _foot(),
            id=FORM,
            key=Form.opening,
            on_submit=SchemaForm.save,
            no_validate=True,
            class_name="connection-form schema-form",
        ),
        open=Form.shown,
        role="dialog",
        labelled_by="schema-title",
        described_by="schema-about",
        on_close=SchemaForm.close,
        class_name="schema-dialog",
    )


def _head() -> rx.Component:
    new = Form.schema_id == ""
    return rx.el.header(
        rx.el.div(
            rx.el.h2(rx.cond(new, "New schema", "Edit schema"), id="schema-title", class_name="form-title"),
            rx.el.p(
                rx.cond(
                    new,
                    "Fields can be added later; the type of a field that is saved stays.",
                    "Fields can be added. The type of a field that is saved stays: a run must not mean something else.",
                ),
                id="schema-about",
                class_name="form-subtitle",
            ),
        ),
        icon_button("x", "Close", "Close", SchemaForm.close),
        class_name="form-head",
    )


def _text(name: str, title: str, value: Any, *, required: bool = False) -> rx.Component:
    wrong = Form.problems.contains(name)
    return rx.el.div(
        rx.el.label(title, html_for=f"schema-{name}"),
        rx.el.input(
            id=f"schema-{name}",
            name=name,
            default_value=value,
            auto_complete="off",
            data_first=required,
            aria_required=required,
            aria_invalid=wrong,
            aria_describedby=f"schema-{name}-problem",
            class_name="input",
        ),
        rx.cond(wrong, _problem(Form.problems[name], f"schema-{name}-problem")),
        class_name="field",
    )


def _line(line: ColumnLine) -> rx.Component:
    wrong, here = Form.problems.contains(line.id), line.id + "-problem"
    told: dict[str, Any] = {"aria_invalid": wrong, "aria_describedby": here}
    options = rx.fragment(*[rx.el.option(choice, value=choice) for choice in CHOICES])
    return rx.el.li(
        rx.el.input(
            name="name-" + line.id,
            default_value=line.name,
            placeholder="field name",
            aria_label="Name of the field",
            auto_complete="off",
            spell_check=False,
            class_name="input",
            **told,
        ),
        chooser(
            options,
            name="type-" + line.id,
            default_value=line.type,
            disabled=line.fixed,
            aria_label="Type",
            title=rx.cond(line.fixed, "The type of a saved field stays", ""),
        ),
        rx.el.input(
            name="digits-" + line.id,
            default_value=line.digits,
            placeholder="12,2",
            disabled=line.fixed,
            aria_label="Digits in all, and after the point",
            auto_complete="off",
            class_name="input digits",
        ),
        _tick("required-" + line.id, "required", line.required),
        _tick("key-" + line.id, "key", line.key),
        rx.el.span(
            icon_button("arrow-up", "Move up", "Up", SchemaForm.move(line.id, -1)),
            icon_button("arrow-down", "Move down", "Down", SchemaForm.move(line.id, 1)),
            icon_button("x", "Remove this field", "Remove", SchemaForm.remove(line.id)),
            class_name="line-actions",
        ),
        rx.cond(wrong, _problem(Form.problems[line.id], here)),
        key=line.id,
        data_line=line.id,
    )


def _tick(name: Any, word: str, on: Any) -> rx.Component:
    return rx.el.label(rx.el.input(type="checkbox", name=name, default_checked=on), word, class_name="tick")


def _problem(text: Any, name: Any) -> rx.Component:
    return rx.el.p(rx.icon("circle-alert", size=14, aria_hidden="true"), text, id=name, class_name="problem")


def _history() -> rx.Component:
    return rx.el.details(
        rx.el.summary(rx.icon("chevron-right", size=16, aria_hidden="true"), "History"),
        rx.el.ol(rx.foreach(Form.versions, _version), class_name="schema-versions"),
        class_name="fold",
    )


def _version(one: Version) -> rx.Component:
    return rx.el.li(rx.el.b(one.title), " ", time_ago(at=one.at), rx.el.span(one.what))


def _foot() -> rx.Component:
    trouble = rx.el.div(
        rx.icon("circle-alert", size=16, aria_hidden="true"),
        rx.el.div(rx.el.b(Form.trouble.message), rx.cond(Form.trouble.hint != "", rx.el.p(Form.trouble.hint))),
        role="alert",
        class_name="form-trouble",
    )
    return rx.el.footer(
        rx.cond(Form.trouble.message != "", trouble),
        rx.el.div(
            rx.el.button("Cancel", type="button", on_click=SchemaForm.close, class_name="button"),
            rx.el.button(
                rx.cond(Form.saving, "Saving…", "Save"),
                type="submit",
                disabled=Form.saving,
                class_name="button primary",
            ),
            class_name="form-actions",
        ),
        class_name="form-foot",
    )


def _question() -> rx.Component:
    doomed = Schemas.doomed
    return confirm(
        open=doomed.id != "",
        busy=Schemas.deleting,
        title=f"Delete {doomed.name}?",
        text=rx.el.p("Rows that were written by it stay where they are."),
        word="Delete",
        on_yes=Schemas.delete,
        on_no=Schemas.keep,
    )
