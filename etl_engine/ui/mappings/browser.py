"""What the editor needs of the browser itself: the query editor, the lines, the keys, the question before leaving."""

# Reflex declares events by calling functions in annotations.
# mypy: disable-error-code="type-arg, valid-type"

import reflex as rx
from reflex.event import no_args_event_spec, passthrough_event_spec

from etl_engine.ui.components import modal
from etl_engine.ui.mappings.grid import Side
from etl_engine.ui.mappings.parts import Column, Field, Link

_QUERY = rx.asset("query.jsx", shared=True)
_BOARD = rx.asset("board.jsx", shared=True)
_ROWS = rx.asset("rows.jsx", shared=True)
_GUARD = rx.asset("guard.jsx", shared=True)
_NEEDS = modal.Modal  # the guard's script imports that one's


class QueryEditor(rx.NoSSRComponent):
    """SQL with completion. Loaded when it is first shown: a third of a megabyte that no other page needs."""

    library = _QUERY.importable_path
    tag = "QueryEditor"
    lib_dependencies: list[str] = [  # noqa: RUF012 - Reflex makes fields of these
        "@codemirror/autocomplete@6.20.4",
        "@codemirror/commands@6.11.1",
        "@codemirror/lang-sql@6.10.0",
        "@codemirror/language@6.13.1",
        "@codemirror/state@6.7.6",
        "@codemirror/view@6.43.15",
        "@lezer/highlight@1.2.5",
    ]

    text: rx.Var[str]  # what it begins with,
    turn: rx.Var[int]  # and again whenever this changes
    dialect: rx.Var[str]  # a kind of connection
    tables: rx.Var[dict[str, list[str]]]
    label: rx.Var[str]
    described_by: rx.Var[str]
    invalid: rx.Var[bool]
    on_text: rx.EventHandler[passthrough_event_spec(str)]
    on_preview: rx.EventHandler[no_args_event_spec]


class Board(rx.Component):
    """Columns, fields, and lines to be drawn between them."""

    library = _BOARD.importable_path
    tag = "Board"

    columns: rx.Var[list[Column]]
    fields: rx.Var[list[Field]]
    links: rx.Var[list[Link]]
    chosen: rx.Var[str]  # the line that is looked at,
    field: rx.Var[str]  # or the field without one
    on_connect: rx.EventHandler[passthrough_event_spec(str, str)]
    on_select: rx.EventHandler[passthrough_event_spec(str)]
    on_field: rx.EventHandler[passthrough_event_spec(str)]


class RowsTable(rx.Component):
    """Rows of the source, and beside them what the mapping makes of them."""

    library = _ROWS.importable_path
    tag = "RowsTable"

    given: rx.Var[Side]
    made: rx.Var[Side]
    refusals: rx.Var[list[str]]


class Guard(rx.Component):
    """Asks before changes are left; Ctrl+S, Ctrl+Z, Ctrl+Y."""

    library = _GUARD.importable_path
    tag = "Guard"

    dirty: rx.Var[bool]
    place: rx.Var[str]
    backup: rx.Var[str]  # what is not stored; given to `on_revive` where the server has forgotten it
    focus: rx.Var[str]  # "id#7": that element takes the focus when this changes
    on_save: rx.EventHandler[no_args_event_spec]
    on_undo: rx.EventHandler[no_args_event_spec]
    on_redo: rx.EventHandler[no_args_event_spec]
    on_revive: rx.EventHandler[passthrough_event_spec(str)]


class Heard(rx.Component):
    """Fires when its word changes."""

    library = _GUARD.importable_path
    tag = "Heard"

    word: rx.Var[str]
    on_word: rx.EventHandler[passthrough_event_spec(str)]


query_editor = QueryEditor.create
board = Board.create
guard = Guard.create
rows_table = RowsTable.create
heard = Heard.create
