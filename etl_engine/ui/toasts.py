"""Short messages in the corner. A handler says one through `Toasts`; the browser shows it once."""

from dataclasses import dataclass

import reflex as rx
from reflex.event import passthrough_event_spec

from etl_engine.ui import offers
from etl_engine.ui.live import nudge
from etl_engine.ui.offers import Offer
from etl_engine.ui.props import event
from etl_engine.ui.session import AskError, ask
from etl_engine.ui.theme import Tone

_SCRIPT = rx.asset("toasts.jsx", shared=True)


@dataclass(frozen=True)
class Toast:
    """What is shown; number 0 is nothing."""

    number: int = 0
    tone: Tone = "idle"
    title: str = ""
    text: str = ""
    action: str = ""  # the word on its button
    offer: str = ""  # the handle of what the button does


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

    @event(background=True)
    async def accept(self, handle: str) -> None:
        """The button of a message: do what it offered, once."""
        offer = offers.take(str(handle))
        if offer is None:
            async with self:
                self._say("bad", "It is too late for that", "The offer was good for two minutes.")
            return
        try:
            done = await ask(offer.do)
        except AskError as error:
            async with self:
                self._say("bad", error.trouble.message, error.trouble.hint)
            return
        async with self:
            self._say("ok", done)
        nudge()

    def _say(self, tone: Tone, title: str, text: str = "", offer: Offer | None = None) -> None:
        self._number += 1
        action, handle = (offer.word, offers.keep(offer)) if offer else ("", "")
        self.latest = Toast(self._number, tone, title, text, action, handle)


class _Bridge(rx.Component):
    library = _SCRIPT.importable_path
    tag = "Toasts"
    latest: rx.Var[Toast]
    on_shown: rx.EventHandler[passthrough_event_spec(int)]  # type: ignore[type-arg, valid-type]
    on_accept: rx.EventHandler[passthrough_event_spec(str)]  # type: ignore[type-arg, valid-type]


def toasts() -> rx.Component:
    """Part of every page."""
    return _Bridge.create(latest=Toasts.latest, on_shown=Toasts.shown, on_accept=Toasts.accept)
