"""Search as you type, by the address of the page."""

import reflex as rx

_SCRIPT = rx.asset("search_box.jsx", shared=True)


class SearchBox(rx.Component):
    """Writes `q` into the address, and begins at the first page again."""

    library = _SCRIPT.importable_path
    tag = "SearchBox"
    label: rx.Var[str]
    placeholder: rx.Var[str]


search_box = SearchBox.create
