"""Both ends of a mapping: the connection and the query that are read, the schema and the table that are written."""

from typing import Any

import reflex as rx

from etl_engine.ui.connection_form.fields import chooser
from etl_engine.ui.mappings.browser import query_editor
from etl_engine.ui.mappings.editor import Editor
from etl_engine.ui.mappings.parts import Source

Here: Any = Editor  # its attributes are Vars here
_MODES = {
    "append": "Append: rows are added",
    "replace": "Replace: the table holds these rows, and no others",
    "merge": "Merge: rows with a known key are replaced",
}
_POLICIES = {"quarantine": "Is kept apart", "stop": "Ends the run"}


def button(word: Any, icon: str, handler: Any, *, busy: Any = None, primary: bool = False, **more: Any) -> rx.Component:
    drawn = rx.icon(icon, size=16, aria_hidden="true")
    if busy is not None:
        spinner = rx.icon("loader-circle", size=16, aria_hidden="true", class_name="spin")
        drawn = rx.cond(busy, spinner, drawn)
        more |= {"disabled": busy}
    return rx.el.button(
        drawn, word, type="button", on_click=handler, class_name="button primary" if primary else "button", **more
    )


def read_part() -> rx.Component:
    options = rx.fragment(
        rx.el.option("Choose a connection…", value="", disabled=True),
        rx.foreach(Here.sources, _source),
    )
    none = rx.el.p(
        "No connection answers queries yet. ", rx.el.a("Make one", href="/?new=any"), " first.", class_name="hint"
    )
    start = rx.el.select(
        rx.el.option("Start from a table…", value=""),
        rx.foreach(Here.tables.keys(), lambda name: rx.el.option(name, value=name)),
        value="",
        aria_label="Start from a table",
        on_change=Editor.start_from,
        class_name="input small",
    )
    busy = button("Cancel", "x", Editor.cancel, id="cancel-preview")
    look = rx.el.button(
        rx.icon("table-2", size=16, aria_hidden="true"),
        "Preview",
        rx.el.kbd("Ctrl ↵", aria_hidden="true"),
        type="button",
        on_click=Editor.preview,
        disabled=Here.draft.source == "",
        aria_keyshortcuts="Control+Enter",
        id="preview",
        class_name="button",
    )
    trouble = rx.el.div(
        rx.icon("circle-x", size=16, aria_hidden="true"),
        rx.el.div(
            rx.el.b(Here.query_trouble.message),
            rx.cond(Here.query_trouble.hint != "", rx.el.p(Here.query_trouble.hint)),
        ),
        role="alert",
        id="query-trouble",
        class_name="form-trouble",
    )
    return rx.el.section(
        rx.el.h2("Read"),
        _field(
            "source",
            "Connection",
            chooser(
                options, id="page-source", value=Here.draft.source, on_change=Editor.choose_source, **told("source")
            ),
            rx.cond(Here.sources.length() == 0, none),
        ),
        rx.el.div(
            rx.el.span("Query", class_name="label"),
            rx.cond(Here.tables.length() > 0, start),
            class_name="label-line",
        ),
        query_editor(
            id="page-query",
            text=Here.query,
            turn=Here.query_turn,
            dialect=Here.dialect,
            tables=Here.tables,
            label="Query",
            described_by=rx.cond(Here.query_trouble.message != "", "query-trouble", ""),
            invalid=Here.query_trouble.message != "",
            on_text=Editor.typed,
            on_preview=Editor.preview,
        ),
        refusal("query"),
        rx.cond(Here.query_trouble.message != "", trouble),
        rx.el.div(
            rx.cond(Here.looking, busy, look),
            rx.el.p(
                rx.cond(
                    Here.looking,
                    "Reading the first 50 rows…",
                    rx.cond(Here.outdated, "The rows below are of an earlier query.", "Read only, and 10 s at most."),
                ),
                role="status",
                class_name="hint",
            ),
            class_name="query-foot",
        ),
        class_name="card mapping-part",
    )


def _source(one: Source) -> rx.Component:
    return rx.el.option(one.label, value=one.value)


def write_part() -> rx.Component:
    schemas = rx.fragment(
        rx.el.option("Choose a schema…", value="", disabled=True),
        rx.foreach(Here.schemas, lambda one: rx.el.option(one.label, value=one.value)),
    )
    places = rx.fragment(
        rx.el.option("The built-in lake", value=""),
        rx.foreach(Here.destinations, lambda one: rx.el.option(one.label, value=one.value)),
    )
    schema = rx.el.div(
        chooser(schemas, id="page-schema", value=Here.draft.schema, on_change=Editor.choose_schema, **told("schema")),
        rx.el.div(
            small_button(
                "Make one from the columns",
                "sparkles",
                Editor.new_schema,
                id="new-schema",
                disabled=Here.columns.length() == 0,
            ),
            rx.cond(Here.draft.schema != "", small_button("Edit", "pencil", Editor.edit_schema)),
            class_name="beside",
        ),
    )
    table = rx.el.input(
        id="page-table",
        default_value=Here.draft.table,
        key=f"table-{Here.turn}",
        on_change=lambda text: Editor.set_text("table", text),
        placeholder=rx.cond(Here.draft.destination == "", "the name of the mapping", "schema.table"),
        auto_complete="off",
        spell_check=False,
        class_name="input",
        **told("table"),
    )
    most = rx.el.input(
        id="page-most",
        default_value=Here.draft.most,
        key=f"most-{Here.turn}",
        on_change=lambda text: Editor.set_text("most", text),
        input_mode="numeric",
        auto_complete="off",
        class_name="input",
        **told("most"),
    )
    about = rx.el.input(
        id="page-description",
        default_value=Here.draft.description,
        key=f"description-{Here.turn}",
        on_change=lambda text: Editor.set_text("description", text),
        auto_complete="off",
        class_name="input",
        **told("description"),
    )
    return rx.el.section(
        rx.el.h2("Write"),
        rx.el.div(
            _field("schema", "Schema: the fields to fill", schema, wide=True),
            _field(
                "destination",
                "Destination",
                chooser(
                    places,
                    id="page-destination",
                    value=Here.draft.destination,
                    on_change=lambda value: Editor.set_text("destination", value),
                    **told("destination"),
                ),
            ),
            _field("table", "Table", table),
            _field("mode", "What becomes of the rows there", _choice("mode", _MODES, Here.draft.mode), wide=True),
            _field("policy", "A row that does not fit", _choice("policy", _POLICIES, Here.draft.policy)),
            rx.cond(Here.draft.policy == "quarantine", _field("most", "So many at most", most)),
            _field("description", "Description", about, wide=True),
            class_name="mapping-fields",
        ),
        class_name="card mapping-part",
    )


def _choice(name: str, words: dict[str, str], value: Any) -> rx.Component:
    options = rx.fragment(*[rx.el.option(text, value=key) for key, text in words.items()])
    return chooser(
        options, id=f"page-{name}", value=value, on_change=lambda chosen: Editor.set_text(name, chosen), **told(name)
    )


def small_button(word: str, icon: str, handler: Any, **more: Any) -> rx.Component:
    drawn = rx.icon(icon, size=14, aria_hidden="true")
    return rx.el.button(drawn, word, type="button", on_click=handler, class_name="button small", **more)


def _field(name: str, title: str, control: rx.Component, *more: rx.Component, wide: bool = False) -> rx.Component:
    return rx.el.div(
        rx.el.label(title, html_for=f"page-{name}"),
        control,
        *more,
        refusal(name),
        class_name="field wide" if wide else "field",
    )


def told(name: str) -> dict[str, Any]:
    wrong = Here.refused.contains(name)
    return {"aria_invalid": wrong, "aria_describedby": rx.cond(wrong, f"page-{name}-problem", "")}


def refusal(name: str) -> rx.Component:
    told = rx.el.p(
        rx.icon("circle-alert", size=14, aria_hidden="true"),
        Here.refused[name],
        id=f"page-{name}-problem",
        class_name="problem",
    )
    return rx.cond(Here.refused.contains(name), told)
