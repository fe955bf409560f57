"""A small line of numbers, as plain SVG."""

import reflex as rx

from etl_engine.ui.props import Text

svg = rx.el.svg


def spark(line: Text, dots: Text, words: Text, width: int, height: int) -> rx.Component:
    """The line, dots on it that need attention, and the same in words."""
    return svg(
        svg.title(words),
        svg.path(d=line, class_name="spark-line"),
        svg.path(d=dots, class_name="spark-dots"),
        view_box=f"0 0 {width} {height}",
        width=str(width),
        height=str(height),
        role="img",
        aria_label=words,
        class_name="spark",
    )
