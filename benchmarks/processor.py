"""Seconds of a processor: they say more than a clock does on a machine that has other work."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _OWN, _WITH_ENDED = 1, slice(11, 13), slice(11, 15)


def spent(servers: Iterable[int]) -> float:
    """By these processes, their children that live, and those that have ended."""
    total, wanted = 0, set(servers)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(entry.name) in wanted:
            total += sum(map(int, fields[_WITH_ENDED]))
        elif int(fields[_PARENT]) in wanted:
            total += sum(map(int, fields[_OWN]))
    return total / _TICKS
