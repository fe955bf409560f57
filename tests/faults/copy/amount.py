"""How much of what could be tried without end a usual run tries; the variables are for the long runs."""

import os
from collections.abc import Collection, Sequence

KILLS = int(os.environ.get("TEST_KILLS", "4"))  # of each kind of target
SEED = int(os.environ.get("TEST_SEED", "4"))
EVERY_POINT = bool(os.environ.get("TEST_FAULTS"))


def some(
    points: Sequence[str], run: object, runs: Collection[object], *, turn: int = 0, share: int = 4
) -> Sequence[str]:
    """Every fourth point, for the next run other ones: each is tried in some run. TEST_FAULTS=1 tries each in all."""
    return points if EVERY_POINT else points[(list(runs).index(run) + turn) % share :: share]
