"""Runs copies in a child process that dies: at a named point, at a random moment, or not at all."""

import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

from copying import Pair

from etl_engine import faultpoints

DIED, FAILED = -signal.SIGKILL, 3
_PATIENCE_SECONDS = 60.0


def in_child(work: Callable[[], object], *, points: str = "", kill_after: float | None = None) -> int:
    """Fork, work, and answer how the child ended: 0, FAILED, or DIED. Nothing of ours is open across the fork."""
    child = os.fork()
    if not child:
        code = FAILED
        try:
            faultpoints.arm(points)
            work()
            code = 0
        except faultpoints.FaultInjected:
            code = FAILED
        finally:
            os._exit(code)
    began = time.monotonic()
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        lasted = time.monotonic() - began
        if kill_after is not None and lasted > kill_after:
            os.kill(child, signal.SIGKILL)
            kill_after = None
        assert lasted < _PATIENCE_SECONDS, "the child does not end"
        time.sleep(0.003)


def kill_until_done(work: Callable[[], object], chance: random.Random, longest: float) -> int:
    """Run it again and again, killed at random moments, until it comes to its end; answers how often it died."""
    died = 0
    while True:
        code = in_child(work, kill_after=chance.uniform(0.02, longest))
        if not code:
            return died
        assert code == DIED, f"the copy ended with {code} where it was not killed"
        died += 1
        assert died < 500, "it never comes to its end"


def rows_as_they_should_be(pair: Pair, table: str) -> tuple[int, int]:
    """How many rows of the source are missing at the target, and how many are there too often; by psql."""
    source = pair.s(f"SELECT md5({table}::text) FROM {table} ORDER BY 1").splitlines()
    there = pair.t(f"SELECT to_regclass('{table}') IS NOT NULL") == "t"
    target = pair.t(f"SELECT md5({table}::text) FROM {table} ORDER BY 1").splitlines() if there else []
    missing: dict[str, int] = {}
    for row in source:
        missing[row] = missing.get(row, 0) + 1
    for row in target:
        missing[row] = missing.get(row, 0) - 1
    return sum(count for count in missing.values() if count > 0), -sum(c for c in missing.values() if c < 0)


def no_sessions_left(pair: Pair) -> Any:
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'etl-engine' "
        f"AND datname IN ('{pair.source}', '{pair.target}')"
    )
    return lambda: pair.sql("postgres", query) == "0"
