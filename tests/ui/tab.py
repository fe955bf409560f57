"""A browser tab without a browser: the States of one session, and handlers fired at them as the wire does."""

import asyncio
from types import SimpleNamespace
from typing import Any, TypeVar, cast
from unittest.mock import PropertyMock

import pytest
import reflex as rx
from one_service import one_service

from etl_engine.ui.toasts import Toast, Toasts

S = TypeVar("S", bound=rx.State)


class Tab:
    """Holds one instance of each State, as a session does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *kinds: type[rx.State]) -> None:
        self._states: dict[type[rx.State], rx.State] = {kind: kind() for kind in (*kinds, Toasts)}
        self.parameters: dict[str, str] = {}
        tab = self

        async def enter(state: rx.State) -> rx.State:
            return state

        async def leave(state: rx.State, *_: object) -> None:
            await asyncio.sleep(0)

        async def other(_: rx.State, kind: type[rx.State]) -> rx.State:
            return tab._states[kind]

        self.url = SimpleNamespace(query_parameters=self.parameters, path="/")
        router = SimpleNamespace(session=SimpleNamespace(client_token="a-tab"), url=self.url)
        for kind in self._states:
            monkeypatch.setattr(kind, "__aenter__", enter, raising=False)
            monkeypatch.setattr(kind, "__aexit__", leave, raising=False)
            monkeypatch.setattr(kind, "get_state", other)
            monkeypatch.setattr(kind, "router", PropertyMock(return_value=router), raising=False)

    def __getitem__(self, kind: type[S]) -> S:
        return cast(S, self._states[kind])

    async def fire(self, handler: Any, *arguments: Any) -> list[Any]:
        """Run a handler to its end; answers the events it sends on. It may ask one service function."""
        name = handler.fn.__qualname__
        state = next(one for kind, one in self._states.items() if kind.__name__ == name.split(".")[0])
        with one_service(name):
            answer = handler.fn(state, *arguments)
            if hasattr(answer, "__aiter__"):
                return [event async for event in answer]
            if hasattr(answer, "__await__"):
                answer = await answer
            return answer if isinstance(answer, list) else [] if answer is None else [answer]

    async def follow(self, handler: Any, *arguments: Any) -> None:
        """The same, and then what it sends on to States of this tab, each as an event of its own."""
        for event in await self.fire(handler, *arguments):
            sent, given = (event.handler, event.args) if isinstance(event, rx.event.EventSpec) else (event, ())
            if any(sent is one for kind in self._states for one in kind.event_handlers.values()):
                await self.follow(sent, *(value._decode() for _, value in given))

    @property
    def toast(self) -> Toast:
        return self[Toasts].latest
