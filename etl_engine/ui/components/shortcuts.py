"""The keys of a list of cards, and the sheet that names them."""

import reflex as rx
from reflex.event import no_args_event_spec

from etl_engine.ui.components import modal
from etl_engine.ui.props import Handler

_SCRIPT = rx.asset("shortcuts.jsx", shared=True)
_NEEDS = modal.Modal  # its script imports that one's

KEYS = (
    (("/",), "Search"),
    (("←", "↑", "↓", "→"), "Go from card to card"),
    (("Enter",), "Edit the selected connection"),
    (("t",), "Test the selected connection"),
    (("d",), "Duplicate it"),
    (("Del",), "Delete it, after a question"),
    (("n",), "New connection"),
    (("Ctrl", "K"), "Go anywhere, do anything"),
    (("Ctrl", "Enter"), "In the form: test, then save"),
    (("?",), "This sheet"),
)


class Shortcuts(rx.Component):
    """Listens while its page is open."""

    library = _SCRIPT.importable_path
    tag = "Shortcuts"
    search: rx.Var[str]  # the id of the search box
    on_new: rx.EventHandler[no_args_event_spec]  # type: ignore[type-arg, valid-type]


def shortcuts(search: str, on_new: Handler) -> rx.Component:
    rows = []
    for keys, what in KEYS:
        rows += [rx.el.dt(*(rx.el.kbd(key) for key in keys)), rx.el.dd(what)]
    return Shortcuts.create(
        rx.el.h2("Keys", id="keys-title"), rx.el.dl(*rows, class_name="key-list"), search=search, on_new=on_new
    )
