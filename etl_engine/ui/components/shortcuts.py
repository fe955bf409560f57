"""The keys of a list of cards; components/keys.py names them."""

import reflex as rx
from reflex.event import no_args_event_spec

from etl_engine.ui.components import keys
from etl_engine.ui.props import Handler

_SCRIPT = rx.asset("shortcuts.jsx", shared=True)
_NEEDS = keys.KeySheet  # its script imports that one's


class Shortcuts(rx.Component):
    """Listens while its page is open."""

    library = _SCRIPT.importable_path
    tag = "Shortcuts"
    search: rx.Var[str]  # the id of the search box
    on_new: rx.EventHandler[no_args_event_spec]  # type: ignore[type-arg, valid-type]


def shortcuts(search: str, on_new: Handler) -> rx.Component:
    return Shortcuts.create(search=search, on_new=on_new)
