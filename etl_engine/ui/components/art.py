"""Drawings of empty states; they take their colours from the tokens."""

import reflex as rx

_SOURCES = (4, 51, 98)  # top edges of the three sources
svg = rx.el.svg


def flow_art() -> rx.Component:
    """Three sources, the engine, one destination."""
    return rx.el.svg(
        *(svg.path(d=f"M58 {top + 19}C96 {top + 19} 90 70 132 70", class_name="art-line") for top in _SOURCES),
        svg.path(d="M188 70H254", class_name="art-line strong"),
        *(_tile(16, top, 38, _cylinder(35, top + 19)) for top in _SOURCES),
        svg.rect(x="130", y="40", width="60", height="60", rx="17", class_name="art-engine"),
        svg.g(
            svg.circle(cx="5", cy="6", r="2.5"),
            svg.circle(cx="19", cy="18", r="2.5"),
            svg.path(d="M7.5 6H13a3.5 3.5 0 0 1 0 7h-2a2.5 2.5 0 0 0 0 5h5.5"),
            transform="translate(143 53) scale(1.42)",
            class_name="art-mark",
        ),
        _tile(254, 46, 48, _cylinder(278, 70)),
        svg.circle(cx="300", cy="48", r="10", class_name="art-done"),
        svg.path(d="M295.6 48.2l3 3 5.4-6", class_name="art-check"),
        view_box="0 0 320 140",
        class_name="empty-art",
        aria_hidden="true",
    )


def _tile(x: int, y: int, size: int, content: rx.Component) -> rx.Component:
    box = svg.rect(x=str(x), y=str(y), width=str(size), height=str(size), rx="11", class_name="art-tile")
    return svg.g(box, content)


def _cylinder(x: int, y: int) -> rx.Component:
    return svg.g(
        svg.ellipse(cx=str(x), cy=str(y - 6), rx="8", ry="3"),
        svg.path(d=f"M{x - 8} {y - 6}v12c0 1.7 3.6 3 8 3s8-1.3 8-3v-12"),
        svg.path(d=f"M{x - 8} {y}c0 1.7 3.6 3 8 3s8-1.3 8-3"),
        class_name="art-cylinder",
    )
