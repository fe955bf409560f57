"""What the button of a message will do. Browsers and States know only a random handle of it.

An undo holds a whole deleted connection, sealed secrets included: a State would be written to disk with it, so it
stays here, in memory, as long as it is good.
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from etl_engine.services.context import Context

SECONDS_GOOD = 120.0  # as long as the service takes an undo token back
_MOST = 1_000


@dataclass(frozen=True)
class Offer:
    """One thing to do, on one click."""

    word: str  # on the button
    do: Callable[[Context], str]  # answers what to say when it is done


_lock = threading.Lock()
_open: OrderedDict[str, tuple[float, Offer]] = OrderedDict()  # oldest first


def keep(offer: Offer) -> str:
    """The handle under which the offer can be taken, by whoever was given it."""
    now, handle = time.monotonic(), secrets.token_urlsafe(16)
    with _lock:
        while _open and (len(_open) >= _MOST or next(iter(_open.values()))[0] < now):
            _open.popitem(last=False)
        _open[handle] = (now + SECONDS_GOOD, offer)
    return handle


def take(handle: str) -> Offer | None:
    """The offer, once, while it is good."""
    with _lock:
        until, offer = _open.pop(handle, (0.0, None))
    return offer if until > time.monotonic() else None
