"""A page's event asks one service function: what each asks is counted here, and whoever fires one insists on it.

Counted are calls from the code of `etl_engine.ui` into public functions of `etl_engine.services`, in whichever thread.
The same function again (a loop over connections, another try) counts once. What services call of each other is theirs.
"""

import asyncio
import contextvars
import functools
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from etl_engine import services

UI, SERVICES = "etl_engine.ui", "etl_engine.services"
REPAIR = (
    "An event of a page asks one service function: put what belongs together into a function of services/ that reads "
    "(or does) it all, as services/connection_overview.py does; or let the handler send on an event of its own for the "
    "second step (`yield State.refresh`)."
)

_asked: contextvars.ContextVar[set[str] | None] = contextvars.ContextVar("asked", default=None)


@contextmanager
def services_watched() -> Iterator[None]:
    """As long as it is open, calls are counted. Names that UI modules imported are watched too."""
    with pytest.MonkeyPatch.context() as patch:
        watched = {}
        for found in pkgutil.iter_modules(services.__path__, f"{SERVICES}."):
            module = importlib.import_module(found.name)
            for name, function in _public(module):
                watched[function] = _watched(f"{found.name.removeprefix(SERVICES + '.')}.{name}", function)
        # Services have such functions of each other by name as well, and keep them: they are not asked by a page.
        for name, module in list(sys.modules.items()):
            own = name.startswith(f"{SERVICES}.")
            if own or name == UI or name.startswith(f"{UI}."):
                for attribute, value in list(vars(module).items()):
                    if inspect.isfunction(value) and value in watched and (not own or value.__module__ == name):
                        patch.setattr(module, attribute, watched[value])
        patch.setattr(asyncio.BaseEventLoop, "run_in_executor", _with_context(asyncio.BaseEventLoop.run_in_executor))
        yield


@contextmanager
def one_service(event: str) -> Iterator[None]:
    """Fails where what runs inside asks more than one service function."""
    asked: set[str] = set()
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)
    assert len(asked) <= 1, f"{event} asks {len(asked)} service functions: {', '.join(sorted(asked))}. {REPAIR}"


def _public(module: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"):
            yield name, value


def _watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def watched(*arguments: Any, **more: Any) -> Any:
        asked = _asked.get()
        if asked is not None and _is_ui(sys._getframe(1).f_globals.get("__name__", "")):
            asked.add(name)
        return function(*arguments, **more)

    return watched


def _is_ui(module: str) -> bool:
    return module == UI or module.startswith(f"{UI}.")


def _with_context(run: Callable[..., Any]) -> Callable[..., Any]:
    """Of an event loop: what runs in a thread belongs to the event that asked for it."""

    @functools.wraps(run)
    def carrying(loop: Any, pool: Any, work: Callable[..., Any], *arguments: Any) -> Any:
        return run(loop, pool, contextvars.copy_context().run, work, *arguments)

    return carrying
