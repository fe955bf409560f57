"""The tile of a kind: a drawing and a tint of its own."""

import reflex as rx

from etl_engine.ui.props import Text
from etl_engine.ui.theme import KIND_BADGE

svg = rx.el.svg
# Line drawings in a box of 24, made for this product: none is anybody's trademark.
_DRAWINGS: dict[str, tuple[str, ...]] = {
    "mysql": (  # a fish that leaps
        "M3.5 17.5c2-7 7-11 13.5-10.5 2 .2 3.2 1.2 3.8 2.6-1.6-.3-3 .1-4.1 1.1"
        "-.4 4.4-3.8 7.1-8.2 6.8-1.9-.1-3.5-.1-5 0z",
        "M11 7.6 10.4 4.5c2 .3 3.4 1.2 4.2 2.5",
        "M3.5 17.5c-.9 1-1.2 2-1 3 1.8 0 3.2-.8 4-2.6",
    ),
    "postgresql": (  # an elephant's head
        "M7 15.5C4.7 14.4 3.4 12 3.5 9.2 3.7 5.7 6.7 3.5 10.4 3.5h3c3.8 0 6.7 2.3 7.1 6 .2 2.2-.5 4.1-1.8 5.4",
        "M9.2 6.9C7 7.4 6 9 6.4 11.2c.4 2.2 2 3.4 4 3.2",
        "M10.4 14.4c.4 2.1.4 4 0 5.6-.2.8.4 1.5 1.2 1.5h.6c1.4 0 2.4-1 2.5-2.4l.4-4.7c2 0 3.4-1 3.9-2.6",
    ),
    "sqlite": (  # a feather
        "M20.5 3.5c-6.5.3-11.3 3.6-12.6 9.6L7 17l3.9-.9c6-1.3 9.3-6.1 9.6-12.6z",
        "M4 20.5 14.5 9.5",
        "M9.2 12.2h5.6",
    ),
    "duckdb": (  # a duck's head
        "M14.5 9.5c0-3.3-2.2-6-5-6s-5 2.7-5 6v4c0 3.9 3.1 7 7 7h1c3.9 0 7-3.1 7-7 0-2.2-1.8-4-4-4h-1z",
        "M14.5 9.5c2.2-.8 4.6-.8 6 .3-.7 1.6-2.4 2.5-4.6 2.7",
        "M9.5 8h.01",
    ),
    "files": (  # a sheet with columns
        "M13.5 3.5H7A2.5 2.5 0 0 0 4.5 6v12A2.5 2.5 0 0 0 7 20.5h10a2.5 2.5 0 0 0 2.5-2.5V9.5z",
        "M13.5 3.5v6h6",
        "M8 13h8M8 16.5h8M12 13v3.5",
    ),
    "s3": (  # a bucket
        "M4 6.5c0-1.4 3.6-2.5 8-2.5s8 1.1 8 2.5S16.4 9 12 9 4 7.9 4 6.5z",
        "M4 6.5 6 18.5c.3 1.2 2.7 2 6 2s5.7-.8 6-2L20 6.5",
    ),
    "lake": (  # waves below a delta
        "M12 3.5 17 11H7z",
        "M3.5 15.5c1.4-1.3 2.8-1.3 4.2 0s2.9 1.3 4.3 0 2.9-1.3 4.3 0 2.8 1.3 4.2 0",
        "M3.5 19.5c1.4-1.3 2.8-1.3 4.2 0s2.9 1.3 4.3 0 2.9-1.3 4.3 0 2.8 1.3 4.2 0",
    ),
}
_DATABASE = (
    "M4 6.5c0-1.7 3.6-3 8-3s8 1.3 8 3-3.6 3-8 3-8-1.3-8-3v11c0 1.7 3.6 3 8 3s8-1.3 8-3v-11",
    "M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3",
)


def kind_tile(db_type: Text) -> rx.Component:
    cases = [(name, _tile(paths, KIND_BADGE.get(name, "grey"))) for name, paths in _DRAWINGS.items()]
    return rx.match(db_type, *cases, _tile(_DATABASE, "grey"))


def _tile(paths: tuple[str, ...], tint: str) -> rx.Component:
    drawing = svg(*(svg.path(d=path) for path in paths), view_box="0 0 24 24", aria_hidden="true")
    return rx.el.span(drawing, class_name=f"kind-tile {tint}")
