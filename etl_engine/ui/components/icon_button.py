"""A button that is an icon: its name for screen readers, and as a tip for everybody else."""

from typing import Any

import reflex as rx

from etl_engine.ui.props import Flag, Handler, Text


def icon_button(
    icon: str, name: Text, tip: Text, on_click: Handler, *, busy: Flag | None = None, **attributes: Any
) -> rx.Component:
    drawn = rx.icon(icon, size=16, aria_hidden="true")
    if busy is not None:
        drawn = rx.cond(busy, rx.icon("loader-circle", size=16, aria_hidden="true", class_name="spin"), drawn)
        attributes |= {"aria_busy": busy, "aria_disabled": busy}
    return rx.el.button(
        drawn,
        type="button",
        aria_label=name,
        data_tip=tip,
        on_click=on_click,
        class_name="icon-button",
        **attributes,
    )
