"""The editor of a mapping: what is read, what is written, the lines between them, and the rows."""

from typing import Any

import reflex as rx

from etl_engine import settings
from etl_engine.ui.components.empty_state import empty_state
from etl_engine.ui.components.error_state import error_state
from etl_engine.ui.components.icon_button import icon_button
from etl_engine.ui.components.skeleton import skeleton_cards
from etl_engine.ui.connection_form.browser import copy_button
from etl_engine.ui.mappings.address import PATH
from etl_engine.ui.mappings.browser import board, guard, heard
from etl_engine.ui.mappings.editor import Editor
from etl_engine.ui.mappings.ends import button, read_part, refusal, small_button, told, write_part
from etl_engine.ui.mappings.panel import rule_panel
from etl_engine.ui.mappings.parts import Wrong
from etl_engine.ui.mappings.rows_view import rows_part
from etl_engine.ui.schemas.form import SchemaForm
from etl_engine.ui.schemas.view import schema_dialog

Here: Any = Editor  # its attributes are Vars here


def mapping_editor() -> rx.Component:
    gone = empty_state(
        rx.icon("search-x", size=44, stroke_width=1.6, aria_hidden="true", class_name="empty-icon"),
        "There is no such mapping",
        "It was deleted, or the address is not right.",
        rx.el.a("All mappings", href=PATH, class_name="button primary"),
    )
    failed = error_state("The mapping could not be read", Here.trouble, Editor.load)
    return rx.fragment(
        rx.cond(
            Here.missing,
            gone,
            rx.cond(Here.trouble.message != "", failed, rx.cond(Here.ready, _editor(), skeleton_cards())),
        ),
        schema_dialog(),
        heard(word=SchemaForm.saved, on_word=Editor.schema_saved),
    )


def _editor() -> rx.Component:
    return rx.el.div(
        guard(
            dirty=Here.dirty,
            place=Here.place,
            backup=Here.backup,
            on_revive=Editor.revive,
            focus=Here.focus,
            on_save=Editor.save(""),
            on_undo=Editor.undo,
            on_redo=Editor.redo,
        ),
        _head(),
        rx.cond(Here.stale, _conflict()),
        rx.el.div(read_part(), write_part(), class_name="mapping-ends"),
        rx.el.div(
            rx.el.div(_lines(), rows_part(), class_name="mapping-work"),
            rx.el.div(
                _problems(),
                rule_panel(),
                rx.cond(Here.mapping_id != "", _by_program()),
                class_name="mapping-side",
            ),
            class_name="mapping-middle",
        ),
        class_name="mapping",
    )


def _head() -> rx.Component:
    name = rx.el.input(
        id="page-name",
        default_value=Here.draft.name,
        key=f"name-{Here.turn}",
        on_change=lambda text: Editor.set_text("name", text),
        placeholder="Name of the mapping",
        aria_label="Name of the mapping",
        max_length=200,
        auto_complete="off",
        spell_check=False,
        class_name="mapping-name",
        **told("name"),
    )
    state = rx.cond(
        Here.dirty,
        rx.el.span(rx.icon("circle-dot", size=14, aria_hidden="true"), "Not saved", class_name="status warn"),
        rx.cond(
            Here.mapping_id != "",
            rx.el.span(rx.icon("check", size=14, aria_hidden="true"), "Saved", class_name="status ok"),
        ),
    )
    schedule = rx.el.a(
        rx.icon("clock-3", size=16, aria_hidden="true"),
        "Schedule this",
        href=f"/schedules?new={Here.mapping_id}",
        class_name="button",
    )
    return rx.el.header(
        rx.el.nav(
            rx.el.a("Mappings", href=PATH),
            rx.icon("chevron-right", size=14, aria_hidden="true"),
            rx.el.span(rx.cond(Here.title != "", Here.title, "New mapping")),
            aria_label="Breadcrumb",
            class_name="crumbs",
        ),
        rx.el.h1(rx.cond(Here.title != "", Here.title, "New mapping"), class_name="visually-hidden"),
        rx.el.div(
            rx.el.div(name, refusal("name"), class_name="mapping-named"),
            rx.el.div(
                rx.el.span(state, role="status"),
                icon_button("undo-2", "Undo", "Undo", Editor.undo, disabled=~Here.can_undo),
                icon_button("redo-2", "Redo", "Redo", Editor.redo, disabled=~Here.can_redo),
                rx.cond(Here.mapping_id != "", schedule),
                button("Save", "save", Editor.save(""), busy=Here.saving, id="save"),
                button("Run", "play", Editor.save_and_run, busy=Here.saving, primary=True, id="run"),
                class_name="actions",
            ),
            class_name="mapping-title",
        ),
        class_name="mapping-head",
    )


def _conflict() -> rx.Component:
    return rx.el.section(
        rx.icon("git-compare-arrows", size=20, aria_hidden="true"),
        rx.el.div(
            rx.el.h2("Somebody else changed this mapping"),
            rx.el.p("What they stored is not what you began with. Take theirs, or store yours over it."),
            rx.el.div(
                button("Take theirs", "refresh-cw", Editor.take_theirs),
                button("Store mine", "save", Editor.save("over"), busy=Here.saving),
                class_name="actions",
            ),
        ),
        role="alert",
        class_name="card trouble",
    )


def _lines() -> rx.Component:
    nothing = rx.el.div(
        rx.icon("spline", size=30, stroke_width=1.6, aria_hidden="true"),
        rx.el.p(
            rx.cond(
                Here.columns.length() == 0,
                "Preview the query, and its columns stand here. Then choose a schema, or make one of them.",
                "Choose a schema to fill, or make one of these columns.",
            )
        ),
        rx.cond(
            (Here.columns.length() > 0) & (Here.draft.schema == ""),
            rx.el.button(
                rx.icon("sparkles", size=16, aria_hidden="true"),
                "Make a schema of the columns",
                type="button",
                on_click=Editor.new_schema,
                class_name="button primary",
            ),
        ),
        class_name="board-empty",
    )
    drawn = board(
        columns=Here.columns,
        fields=Here.fields,
        links=Here.links,
        chosen=Here.panel.id,
        field=Here.panel.target,
        on_connect=Editor.connect,
        on_select=Editor.select,
        on_field=Editor.select_field,
    )
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Map"),
            rx.el.p("Drag a column to a field, or choose one and then the other.", class_name="hint"),
            small_button(
                "Map by name", "wand-sparkles", Editor.auto_map, id="page-auto", disabled=Here.fields.length() == 0
            ),
            class_name="part-head",
        ),
        rx.cond((Here.fields.length() > 0) & (Here.columns.length() > 0), drawn, nothing),
        class_name="card mapping-part",
    )


def _problems() -> rx.Component:
    fine = rx.el.p(
        rx.icon("circle-check", size=16, aria_hidden="true"), "Nothing keeps it from running.", class_name="fine"
    )
    return rx.el.section(
        rx.el.h2("Problems ", rx.cond(Here.wrong.length() > 0, rx.el.span(Here.wrong.length(), class_name="count"))),
        rx.cond(Here.wrong.length() > 0, rx.el.ul(rx.foreach(Here.wrong, _problem), class_name="wrongs"), fine),
        class_name="card mapping-part",
    )


def _problem(one: Wrong) -> rx.Component:
    return rx.el.li(
        rx.el.button(
            rx.icon("circle-alert", size=15, aria_hidden="true"),
            rx.el.span(rx.el.b(one.words), " ", one.fix),
            type="button",
            on_click=Editor.go_to(one.id),
        ),
        key=one.id,
    )


def _by_program() -> rx.Component:
    prefix = settings.load().api_v1_prefix
    return rx.el.section(
        rx.el.h2("By a program"),
        rx.el.div(
            rx.el.code("POST ", f"{prefix}/mappings/{Here.mapping_id}/run"),
            copy_button(text=f"{prefix}/mappings/{Here.mapping_id}/run", label="Copy the address"),
            class_name="by-program",
        ),
        class_name="card mapping-part",
    )
