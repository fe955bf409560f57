"""The command palette: opened with Ctrl+K, works by keyboard alone."""

from typing import Any

import reflex as rx
from reflex.event import no_args_event_spec, passthrough_event_spec

from etl_engine.ui.components import modal

_SCRIPT = rx.asset("palette.jsx", shared=True)
_NEEDS = modal.Modal  # its script imports that one's


class Palette(rx.Component):
    """Commands are filtered in the browser, connections are found by the server."""

    library = _SCRIPT.importable_path
    tag = "Palette"
    home: rx.Var[str]  # the address of the connections
    commands: rx.Var[list[dict[str, str]]]  # act, label, keys; of a page also to
    found: rx.Var[list[Any]]  # id, label, hint
    searched: rx.Var[str]  # what `found` answers
    on_search: rx.EventHandler[passthrough_event_spec(str)]  # type: ignore[type-arg, valid-type]
    on_pick: rx.EventHandler[passthrough_event_spec(str)]  # type: ignore[type-arg, valid-type]
    on_new: rx.EventHandler[no_args_event_spec]  # type: ignore[type-arg, valid-type]
    on_test: rx.EventHandler[no_args_event_spec]  # type: ignore[type-arg, valid-type]
    on_theme: rx.EventHandler[no_args_event_spec]  # type: ignore[type-arg, valid-type]
