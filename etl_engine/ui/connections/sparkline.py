"""The last tests of a connection as a line: two SVG paths, no chart library."""

from collections.abc import Sequence
from dataclasses import dataclass

from etl_engine.model.connection import TESTS_KEPT, TestRun, TestStatus
from etl_engine.ui.words import counted, duration

WIDTH, HEIGHT = 72, 22
_EDGE = 3.0


@dataclass
class Sparkline:
    """How long the last tests took, and which failed."""

    line: str = ""
    fails: str = ""  # dots: subpaths without length, drawn by their round caps
    words: str = ""


def sparkline(tests: Sequence[TestRun]) -> Sparkline:
    """The newest test is at the right edge; failed ones are marked at the foot, since their time says nothing."""
    if not tests:
        return Sparkline()
    step = (WIDTH - 2 * _EDGE) / (TESTS_KEPT - 1)
    left = WIDTH - _EDGE - step * (len(tests) - 1)
    good = [test.ms for test in tests if test.status == TestStatus.SUCCESS]
    low, high = (min(good), max(good)) if good else (0.0, 0.0)
    span = max(high - low, 0.25 * high, 1.0)  # noise of a fast server must not look like an earthquake
    base = low - max(span - (high - low), 0.0) / 2
    points, fails = [], []
    for number, test in enumerate(tests):
        x = left + step * number
        if test.status == TestStatus.SUCCESS:
            points.append((x, HEIGHT - _EDGE - (test.ms - base) / span * (HEIGHT - 2 * _EDGE)))
        else:
            fails.append((x, HEIGHT - _EDGE))
    return Sparkline(_line(points), "".join(f"M{x:.1f} {y:.1f}h0" for x, y in fails), _words(tests, good))


def _line(points: list[tuple[float, float]]) -> str:
    if len(points) == 1:  # a dot
        return f"M{points[0][0]:.1f} {points[0][1]:.1f}h0"
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) if points else ""


def _words(tests: Sequence[TestRun], good: list[float]) -> str:
    said = f"Last {counted(len(tests), 'test')}" if len(tests) > 1 else "One test"
    failed = len(tests) - len(good)
    said += f": {failed} failed" if failed else ": all connected"
    if good:
        fast, slow = duration(min(good)), duration(max(good))
        said += f", {fast}" if fast == slow else f", {fast} to {slow}"
    return said
