"""Rows that were read for an editor: kept in this process, by browser tab, and never in a State or on a disk."""

import threading
from collections import OrderedDict

from etl_engine.services.preview import Sample

MOST = 64  # tabs; whoever comes back after that many others reads again
_kept: OrderedDict[str, Sample] = OrderedDict()
_reading: dict[str, threading.Event] = {}
_lock = threading.Lock()


def keep(tab: str, sample: Sample) -> None:
    with _lock:
        _kept[tab] = sample
        _kept.move_to_end(tab)
        while len(_kept) > MOST:
            _kept.popitem(last=False)


def kept(tab: str) -> Sample | None:
    with _lock:
        return _kept.get(tab)


def forget(tab: str) -> None:
    with _lock:
        _kept.pop(tab, None)


def begin(tab: str) -> threading.Event:
    """What stops the reading that begins now; an earlier one of this tab is stopped."""
    stop(tab)
    with _lock:
        gone = _reading[tab] = threading.Event()
    return gone


def end(tab: str, gone: threading.Event) -> None:
    with _lock:
        if _reading.get(tab) is gone:
            del _reading[tab]


def stop(tab: str) -> None:
    with _lock:
        gone = _reading.pop(tab, None)
    if gone is not None:
        gone.set()
