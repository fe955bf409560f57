"""Pages of a list: every one of them is a link."""

from dataclasses import dataclass

import reflex as rx

from etl_engine.ui.props import Text


@dataclass
class Step:
    """A page of the list; number 0 is a gap between pages."""

    number: int
    address: str = ""
    current: bool = False


def pagination(steps: list[Step] | rx.Var[list[Step]], before: Text, after: Text, extent: Text) -> rx.Component:
    return rx.el.nav(
        rx.el.span(extent, class_name="extent"),
        rx.el.ul(
            rx.el.li(_turn("chevron-left", "Page before", before)),
            rx.foreach(steps, _step),
            rx.el.li(_turn("chevron-right", "Next page", after)),
        ),
        aria_label="Pages of the list",
        class_name="pagination",
    )


def _step(step: Step) -> rx.Component:
    link = rx.el.a(
        f"{step.number}",
        href=step.address,
        aria_label=f"Page {step.number}",
        aria_current=rx.cond(step.current, "page", "false"),
    )
    return rx.el.li(rx.cond(step.number == 0, rx.el.span("…", aria_hidden="true"), link))


def _turn(icon: str, name: str, address: Text) -> rx.Component:
    drawn = rx.icon(icon, size=16, aria_hidden="true")
    return rx.cond(
        address != "",
        rx.el.a(drawn, href=address, aria_label=name),
        rx.el.span(drawn, class_name="off", aria_hidden="true"),
    )
