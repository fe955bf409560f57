"""The engine's own health at the foot of the sidebar, and what a page says when it cannot reach the engine."""

import asyncio
import ipaddress

import reflex as rx
from reflex_components_core.core.banner import (  # type: ignore[import-untyped] # has no py.typed
    has_connection_errors,
    has_too_many_connection_errors,
)

from etl_engine import wiring
from etl_engine.services import health
from etl_engine.services.health import Health
from etl_engine.ui.live import tell_everybody
from etl_engine.ui.props import Text, event

SECONDS_BETWEEN_LOOKS = 5.0


class EngineStatus(rx.State):
    """What the engine said about itself the last time it was asked."""

    mood: str = "unknown"  # ready | trouble
    words: str = "Looking at the engine"
    detail: str = ""
    hint: str = ""
    exposed: bool = False  # listens on an address that other machines reach, while there are no users yet

    @event(background=True)
    async def look(self) -> None:
        """Called when a page opens, and for every browser when the engine's health changed."""
        found = await rx.run_in_thread(_health)
        exposed = not ipaddress.ip_address(wiring.engine().config.host).is_loopback
        async with self:
            self._set(exposed=exposed)
            self._show(found)

    def _show(self, found: Health) -> None:
        if found.status == "ok":
            words, detail, hint = "Engine ready", f"{found.store.detail} · v{found.version}", ""
        elif found.store.status == "failed":
            words, detail, hint = "Store not reached", found.store.detail, found.store.hint
        else:
            words, detail, hint = "Key does not fit", found.key.detail, found.key.hint
        self._set(mood="ready" if found.status == "ok" else "trouble", words=words, detail=detail, hint=hint)

    def _set(self, **values: str | bool) -> None:
        """Only what is new: a page looks at every turn of its address, and what is assigned is sent and drawn again."""
        for name, value in values.items():
            if getattr(self, name) != value:
                setattr(self, name, value)


async def watch_engine(app: rx.App) -> None:
    """Runs as long as the server: tells browsers when the engine's health changes."""
    last = ""
    while True:
        found = (await asyncio.to_thread(_health)).status
        if last and found != last:
            await tell_everybody(app, EngineStatus.look)
        last = found
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)


def _health() -> Health:
    return health.check(wiring.context)


def engine_status() -> rx.Component:
    mood = rx.cond(has_connection_errors, "lost", EngineStatus.mood)
    return rx.el.div(
        rx.el.span(class_name="pulse", aria_hidden="true"),
        rx.el.div(
            rx.el.b(rx.cond(has_connection_errors, "Reconnecting", EngineStatus.words)),
            rx.el.span(
                rx.cond(has_connection_errors, "The server does not answer", EngineStatus.detail),
                title=EngineStatus.detail,
            ),
            class_name="engine-words",
        ),
        role="status",
        class_name="engine",
        data_mood=mood,
    )


def banners() -> rx.Component:
    """What concerns every page, above its content."""
    return rx.fragment(
        rx.cond(
            has_too_many_connection_errors,
            _banner("wifi-off", "Cannot reach the server. It may be starting; this page comes back by itself."),
        ),
        rx.cond(
            EngineStatus.mood == "trouble",
            _banner("triangle-alert", EngineStatus.detail + ". " + EngineStatus.hint),
        ),
        rx.cond(
            EngineStatus.exposed,
            _banner(
                "shield-alert", "Other machines can reach this server, and it has no users yet: anyone may use it."
            ),
        ),
    )


def _banner(icon: str, text: Text) -> rx.Component:
    return rx.el.div(rx.icon(icon, size=18, aria_hidden="true"), rx.el.span(text), role="status", class_name="banner")
