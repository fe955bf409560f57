"""The same list in several shapes. Which one is shown stands in the address, and the browser switches by itself."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

_SCRIPT = rx.asset("views.jsx", shared=True)


@dataclass(frozen=True)
class Shape:
    """One shape of the list, and the word for it in the address; the first of them is the usual one."""

    word: str
    title: str


class ViewSwitch(rx.Component):
    """A link for each shape."""

    library = _SCRIPT.importable_path
    tag = "ViewSwitch"
    views: rx.Var[list[Shape]]


class Views(rx.Component):
    """Its children are the shapes, in the order of `views`; `rows` are what they show."""

    library = _SCRIPT.importable_path
    tag = "Views"
    views: rx.Var[list[Shape]]
    rows: rx.Var[list[Any]]


view_switch = ViewSwitch.create
views = Views.create
