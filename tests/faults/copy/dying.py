"""Runs copies in a child process that dies: at a named point, at a random moment, or not at all."""

import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from typing import IO, Any

from copying import Pair

from etl_engine import faultpoints

DIED, FAILED = -signal.SIGKILL, 3
_PATIENCE_SECONDS = 60.0


def in_child(work: Callable[[], object], *, points: str = "", kill_after: float | None = None) -> int:
    """Fork, work, and answer how the child ended: 0, FAILED by an armed point, or DIED. Any other end is told whole.
    Nothing of ours is open across the fork."""
    with tempfile.TemporaryFile("w+") as told:
        child = os.fork()
        if not child:
            _live(work, points, told)
        code = _end_of(child, kill_after)
        told.seek(0)
        reason = told.read()
    assert not reason, f"the child was not killed and ended with {code}:\n{reason}"
    return code


def _live(work: Callable[[], object], points: str, told: IO[str]) -> None:
    code = FAILED
    try:
        faultpoints.arm(points)
        work()
        code = 0
    except faultpoints.FaultInjected:
        pass
    except BaseException:
        traceback.print_exc(file=told)
        told.flush()
    finally:
        os._exit(code)


def _end_of(child: int, kill_after: float | None) -> int:
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
