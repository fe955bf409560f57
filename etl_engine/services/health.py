"""Is the engine well? Asked by load balancers, the doctor and the foot of the sidebar; open to everybody."""

import time
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel

from etl_engine import __version__
from etl_engine.errors import BadSetting, EtlError, Locked, StoreError
from etl_engine.services import access
from etl_engine.services.context import Context


class Part(BaseModel):
    """One thing the engine stands on."""

    status: Literal["ok", "failed"]
    detail: str
    hint: str = ""
    ms: float | None = None


class Health(BaseModel):
    """The engine and what it stands on."""

    status: Literal["ok", "failed"]
    version: str
    store: Part
    key: Part


def check(open_context: Callable[[], Context]) -> Health:
    """Look at store and key now. Never raises for what it finds; answers within the store's own five seconds."""
    store = key = Part(status="failed", detail="not looked at: the store cannot be reached")
    try:
        ctx = open_context()
        access.require(ctx, "health:read")
        started = time.perf_counter()
        name = ctx.store.ping()
        store = Part(status="ok", detail=name, ms=round((time.perf_counter() - started) * 1000, 1))
        ctx.keyring.vault()
        key = Part(status="ok", detail="opens the store")
    except (Locked, BadSetting) as error:
        store = store if store.status == "ok" else Part(status="ok", detail="reachable")
        key = _failed(error)
    except StoreError as error:
        store = _failed(error)
    ok = store.status == key.status == "ok"
    return Health(status="ok" if ok else "failed", version=__version__, store=store, key=key)


def _failed(error: EtlError) -> Part:
    return Part(status="failed", detail=error.message, hint=error.hint)
