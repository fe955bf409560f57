"""A small word that names a kind."""

import reflex as rx

from etl_engine.ui.props import Text
from etl_engine.ui.theme import KIND_BADGE


def kind_badge(db_type: Text, title: Text) -> rx.Component:
    tint = rx.match(db_type, *KIND_BADGE.items(), "grey")
    return rx.el.span(title, class_name=f"badge {tint}")
