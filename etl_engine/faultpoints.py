"""Named points in the code where a test may make the process fail: as an exception or as a sudden death.

A point costs one dictionary look-up while nothing is armed. `FAULTPOINTS="name=kill,other=raise@3"` arms points:
the action is `raise` or `kill` (SIGKILL to this process), `@n` means at the n-th passage. Only tests arm anything.
"""

import os
import signal

_armed: dict[str, tuple[str, int]] = {}


class FaultInjected(BaseException):
    """Raised by an armed point; a BaseException so that no ordinary handler swallows it."""


def arm(spec: str) -> None:
    """Replace what is armed by `spec`; an empty text disarms everything."""
    points = parse(spec)
    _armed.clear()
    _armed.update(points)


def parse(spec: str) -> dict[str, tuple[str, int]]:
    """Action and passage by name; ValueError where the text is not a list of points."""
    points = {}
    for part in filter(None, (item.strip() for item in spec.split(","))):
        name, _, action = part.partition("=")
        action, _, passage = action.partition("@")
        if action not in ("raise", "kill") or not (passage or "1").isdigit():
            raise ValueError("must be a list of name=raise or name=kill, with @n behind it if wanted")
        points[name] = (action, int(passage or 1))
    return points


def faultpoint(name: str) -> None:
    if name not in _armed:
        return
    action, left = _armed[name]
    if left > 1:
        _armed[name] = (action, left - 1)
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise FaultInjected(name)
