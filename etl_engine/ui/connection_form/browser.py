"""The parts of the form that need JavaScript of their own, in browser.jsx: secrets, clipboard, focus, the address."""

# Reflex declares events by calling functions in annotations.
# mypy: disable-error-code="type-arg, valid-type"

from typing import Any

import reflex as rx
from reflex.event import no_args_event_spec, passthrough_event_spec

_JSX = rx.asset("browser.jsx", shared=True)


class FormShell(rx.Component):
    """The form element. Collects what was typed when a button asks for it, and tells which fields changed.

    `rx.set_value` with its id and a dict of texts fills fields in the browser, past every State.
    """

    library = _JSX.importable_path
    tag = "FormShell"

    shown: rx.Var[bool]  # not while it fades away
    attempt: rx.Var[int]  # goes up when a test or a save was refused: the first wrong field takes the focus
    wrong: rx.Var[list[str]]  # the fields with a problem
    asking: rx.Var[bool]
    dirty: rx.Var[bool]
    testing: rx.Var[bool]
    ready: rx.Var[bool]
    on_test: rx.EventHandler[passthrough_event_spec(dict[str, Any], list[str])]
    on_save: rx.EventHandler[passthrough_event_spec(dict[str, Any], list[str])]
    on_cancel: rx.EventHandler[no_args_event_spec]
    on_touch: rx.EventHandler[passthrough_event_spec(str)]
    on_leave: rx.EventHandler[passthrough_event_spec(str, str)]


class SecretInput(rx.Component):
    """An input whose value no State ever holds, with a button that shows it."""

    library = _JSX.importable_path
    tag = "SecretInput"

    name: rx.Var[str]
    title: rx.Var[str]
    placeholder: rx.Var[str]
    multiline: rx.Var[bool]
    required: rx.Var[bool]
    invalid: rx.Var[bool]
    described_by: rx.Var[str]
    max_length: rx.Var[int]


class PasteBox(rx.Component):
    """Takes whatever is pasted, dropped or typed into it, sends it once and forgets it."""

    library = _JSX.importable_path
    tag = "PasteBox"

    placeholder: rx.Var[str]
    described_by: rx.Var[str]
    max_length: rx.Var[int]
    on_text: rx.EventHandler[passthrough_event_spec(str)]


class CopyButton(rx.Component):
    """Copies a text, also where the browser gives no access to its clipboard."""

    library = _JSX.importable_path
    tag = "CopyButton"

    text: rx.Var[str]
    label: rx.Var[str]
    words: rx.Var[str]  # shown beside the icon; without them the label is the button's name


class FormAddress(rx.Component):
    """`?new=<kind>` or `?edit=<id>` in the address while the form is open."""

    library = _JSX.importable_path
    tag = "FormAddress"

    kind: rx.Var[str]
    connection: rx.Var[str]
    visited: rx.Var[bool]  # false again when the server was started anew and knows nothing of this browser
    dirty: rx.Var[bool]
    missed: rx.Var[int]  # goes up when there is nothing to open at this address
    on_visit: rx.EventHandler[passthrough_event_spec(str, str)]
    on_back: rx.EventHandler[no_args_event_spec]


form_shell = FormShell.create
secret_input = SecretInput.create
paste_box = PasteBox.create
copy_button = CopyButton.create
form_address = FormAddress.create
