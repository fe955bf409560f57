"""An age that keeps itself right, with the absolute time on hover."""

import reflex as rx

_SCRIPT = rx.asset("time_ago.jsx", shared=True)


class TimeAgo(rx.Component):
    """Takes an ISO 8601 time."""

    library = _SCRIPT.importable_path
    tag = "TimeAgo"
    at: rx.Var[str]


time_ago = TimeAgo.create
