"""Short messages in the corner. A handler says one through `Toasts`; the browser shows it once."""

from dataclasses import dataclass

import reflex as rx
from reflex.event import passthrough_event_spec

from etl_engine.ui.props import event
from etl_engine.ui.theme import Tone

_SCRIPT = rx.asset("toasts.jsx", shared=True)


@dataclass(frozen=True)
class Toast:
    """What is shown; number 0 is nothing."""

    number: int = 0
    tone: Tone = "idle"
    title: str = ""
    text: str = ""


class Toasts(rx.State):
    """The message that this browser has not shown yet."""

    latest: Toast = Toast()
    _number: int = 0

    @event
    def shown(self, number: int) -> None:
        """The browser has shown it: a reload must not show it again."""
        if self.latest.number == number:
            self.latest = Toast()

    @event
    def unexpected(self, request_id: str) -> None:
        """A handler raised: never a traceback on the screen, always a number to look for."""
        text = f"Try again. If it stays, look for request {request_id} in the log of the engine."
        self._say("bad", "The engine met an error of its own", text)

    def _say(self, tone: Tone, title: str, text: str = "") -> None:
        self._number += 1
        self.latest = Toast(self._number, tone, title, text)


class _Bridge(rx.Component):
    library = _SCRIPT.importable_path
    tag = "Toasts"
    latest: rx.Var[Toast]
    on_shown: rx.EventHandler[passthrough_event_spec(int)]  # type: ignore[type-arg, valid-type]


def toasts() -> rx.Component:
    """Part of every page."""
    return _Bridge.create(latest=Toasts.latest, on_shown=Toasts.shown)
