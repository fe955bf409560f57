"""A dialog in front of the page, and the question before something goes."""

import reflex as rx
from reflex.event import no_args_event_spec

from etl_engine.ui.props import Flag, Handler, Text

_SCRIPT = rx.asset("modal.jsx", shared=True)


class Modal(rx.Component):
    """Shown while `open`. Escape and a click beside it ask to close it."""

    library = _SCRIPT.importable_path
    tag = "Modal"
    open: rx.Var[bool]
    labelled_by: rx.Var[str]
    described_by: rx.Var[str]
    role: rx.Var[str]
    on_close: rx.EventHandler[no_args_event_spec]  # type: ignore[type-arg, valid-type]


def confirm(
    *,
    open: Flag,  # noqa: A002 - the property of the browser's dialog
    busy: Flag,
    title: Text,
    text: rx.Component,
    word: str,
    on_yes: Handler,
    on_no: Handler,
) -> rx.Component:
    """Names what would go. The safe answer comes first and has the focus."""
    return Modal.create(
        rx.el.div(
            rx.el.span(rx.icon("trash-2", size=20, aria_hidden="true"), class_name="confirm-icon"),
            rx.el.div(rx.el.h2(title, id="confirm-title"), rx.el.div(text, id="confirm-text")),
            class_name="confirm-words",
        ),
        rx.el.div(
            rx.el.button("Keep it", type="button", on_click=on_no, disabled=busy, class_name="button"),
            rx.el.button(
                rx.cond(
                    busy,
                    rx.icon("loader-circle", size=16, aria_hidden="true", class_name="spin"),
                    rx.icon("trash-2", size=16, aria_hidden="true"),
                ),
                word,
                type="button",
                on_click=on_yes,
                aria_busy=busy,
                class_name="button danger",
            ),
            class_name="confirm-actions",
        ),
        open=open,
        role="alertdialog",
        labelled_by="confirm-title",
        described_by="confirm-text",
        on_close=on_no,
        class_name="confirm",
    )
