"""The shape of what is coming, shown when it takes longer than a glance."""

import reflex as rx


def skeleton_cards(count: int = 6) -> rx.Component:
    return rx.el.div(
        rx.el.span("Loading", class_name="visually-hidden", role="status"),
        *(_card() for _ in range(count)),
        aria_busy="true",
        class_name="grid-cards late",
    )


def _card() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            _bar("40px", "40px"),
            rx.el.div(_bar("60%", "14px"), _bar("72px", "12px"), class_name="grid flex-1 gap-2"),
            class_name="flex items-center gap-3",
        ),
        _bar("86%", "12px"),
        _bar("54%", "12px"),
        _bar("64%", "12px"),
        aria_hidden="true",
        class_name="card grid gap-3 p-4",
    )


def _bar(width: str, height: str) -> rx.Component:
    return rx.el.div(class_name="skeleton", style={"width": width, "height": height})
