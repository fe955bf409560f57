"""The sheet that names the keys, on every page."""

import reflex as rx

from etl_engine.ui.components import modal

_SCRIPT = rx.asset("keys.jsx", shared=True)
_NEEDS = modal.Modal  # its script imports that one's

KEYS = (
    ("On every page", ((("Ctrl", "K"), "Go anywhere, do anything"), (("?",), "This sheet"))),
    (
        "In a list",
        (
            (("/",), "Search"),
            (("n",), "New connection, schema, mapping or schedule"),
            (("←", "↑", "↓", "→"), "Go from card to card"),
            (("Enter",), "Open the selected one"),
            (("t",), "Test the selected connection, run the selected mapping or schedule"),
            (("d",), "Duplicate it"),
            (("Del",), "Delete it, after a question"),
        ),
    ),
    (
        "In a mapping",
        (
            (("Ctrl", "Enter"), "Preview the query"),
            (("Ctrl", "S"), "Save"),
            (("Ctrl", "Z"), "Take the last change of the lines back"),
            (("Ctrl", "Y"), "Do it again"),
            (("Enter",), "On a column, then on a field: draw a line"),
        ),
    ),
    ("In a form", ((("Ctrl", "Enter"), "Test, then save"), (("Esc",), "Stop the test, or leave"))),
)


class KeySheet(rx.Component):
    """Opened with `?`, and by the command palette."""

    library = _SCRIPT.importable_path
    tag = "KeySheet"


def key_sheet() -> rx.Component:
    groups = []
    for place, keys in KEYS:
        rows = [part for names, what in keys for part in (_names(names), rx.el.dd(what))]
        groups += [rx.el.h3(place), rx.el.dl(*rows, class_name="key-list")]
    return KeySheet.create(rx.el.h2("Keys", id="keys-title"), *groups)


def _names(names: tuple[str, ...]) -> rx.Component:
    return rx.el.dt(*(rx.el.kbd(name) for name in names))
