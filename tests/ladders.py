"""Climbing a ladder in a test, with everything that is true of every ladder checked on the way."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from scripted import Scripted

from etl_engine.connectors import registry
from etl_engine.connectors.contract import CHECK_SECONDS, Deadline, Health, Step, StepState, Surroundings, Who

PASSWORD = "planted-pässword/?#@:%'\"\\ with spaces"  # must appear in no text of any ladder
LATE = 0.1  # what a check may take beyond its budget
_TICK = 0.005


@dataclass
class Climb:
    """How a ladder was climbed."""

    health: Health
    reported: list[Step] = field(repr=False)
    seconds: float

    def step(self, key: str) -> Step:
        return next(step for step in self.health.steps if step.key == key)


def connector(db_type: str, surroundings: Surroundings | None = None, **values: Any) -> Any:
    kind = registry.kind(db_type)
    config = registry.draft_adapter().validate_python({"name": "under test", "db_type": db_type, **values})
    return kind.make(config, surroundings or Surroundings())


def climb(
    db_type: str,
    surroundings: Surroundings | None = None,
    *,
    seconds: float = CHECK_SECONDS,
    cancelled: threading.Event | None = None,
    against: Scripted | None = None,
    **values: Any,
) -> Climb:
    """Check a connection; whatever happens, the rules of the contract must hold."""
    if db_type in ("postgresql", "mysql"):
        values = {"host": "127.0.0.1", "database": "shop", "username": "etl", "password": PASSWORD, **values}
    if against:
        values = {"host": against.host, "port": against.port, **values}
    made = connector(db_type, surroundings, **values)
    reported: list[Step] = []
    with stalls() as stalled:
        started = time.monotonic()
        try:
            health = made.check(Deadline(seconds, cancelled), reported.append)
        finally:
            took = time.monotonic() - started
            made.close()
    done = Climb(health, reported, took - sum(stalled))
    keeps_the_contract(done, db_type, seconds, str(values.get("password", "")))
    if against:
        against.wait_until_all_have_gone(1.0)
    return done


@contextmanager
def stalls() -> Iterator[list[float]]:
    """How long the machine let nobody of this process run: a busy one must not count against a check."""
    stalled: list[float] = []
    over = threading.Event()

    def watch() -> None:
        last = time.monotonic()
        while not over.wait(_TICK):
            now = time.monotonic()
            if now - last > 5 * _TICK:
                stalled.append(now - last - _TICK)
            last = now

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield stalled
    finally:
        over.set()
        watcher.join()


def keeps_the_contract(done: Climb, db_type: str, seconds: float, password: str) -> None:
    steps, health = done.health.steps, done.health
    assert done.seconds <= seconds + LATE, f"the budget is {seconds} s, the check took {done.seconds:.3f} s"
    assert [step.key for step in steps] == [step.key for step in registry.kind(db_type).rungs]
    states = [step.state for step in steps]
    if health.ok:
        assert set(states) <= {StepState.PASS, StepState.WARN}
        assert health.version
    else:
        failed = states.index(StepState.FAIL)
        assert set(states[:failed]) <= {StepState.PASS, StepState.WARN}
        assert set(states[failed + 1 :]) <= {StepState.SKIPPED}
        failure = steps[failed]
        assert failure.code and failure.cause and failure.fix and failure.who
        assert not failure.cause.endswith(".") and "\n" not in failure.cause
    for step in steps:
        told = [each.state for each in done.reported if each.key == step.key]
        expected = [StepState.SKIPPED] if step.state is StepState.SKIPPED else [StepState.RUNNING, step.state]
        assert told == expected, f"{step.key} was reported as {told}"
        assert 0 <= step.ms <= health.ms + 1
        assert step.evidence or step.state in (StepState.FAIL, StepState.SKIPPED)
    order = [step.key for step in done.reported]
    assert sorted(order, key=[step.key for step in steps].index) == order
    assert sum(step.ms for step in steps) <= health.ms + len(steps)
    if len(password) > 12:
        text = repr(done.health)
        assert password not in text and password[:12] not in text


def fault(done: Climb, step: str, code: str, who: Who, *facts: str) -> Step:
    """The one failure of a climb, which must be exactly this one and speak of these facts."""
    failure = done.health.failure
    assert failure, f"the check passed: {done.health}"
    assert (failure.key, failure.code) == (step, code), failure
    assert failure.who is who, failure
    for fact in facts:
        assert fact in failure.cause or fact in failure.fix, f"{fact!r} is not in: {failure.cause} | {failure.fix}"
    return failure
