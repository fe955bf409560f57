"""The ladder: what becomes of the rungs, whatever happens on them."""

import threading
from collections.abc import Callable

import pytest

from etl_engine.connectors.contract import Deadline, Health, Step, StepState, Who
from etl_engine.connectors.fault import Fault, OutOfTime
from etl_engine.connectors.ladder import Ladder
from etl_engine.errors import Cancelled

RUNGS = (Step("one", "One"), Step("two", "Two"), Step("three", "Three"))
PASS, WARN, FAIL, SKIPPED = StepState.PASS, StepState.WARN, StepState.FAIL, StepState.SKIPPED


def too_late(key: str) -> Fault:
    return Fault(f"{key}-late", f"{key} took too long", "Wait.", Who.NETWORK)


def climb(body: Callable[[Ladder], None], deadline: Deadline | None = None) -> tuple[Health, list[Step]]:
    told: list[Step] = []
    ladder = Ladder(RUNGS, deadline or Deadline(5), told.append, too_late)
    return ladder.climb(lambda: body(ladder)), told


def states(health: Health) -> list[StepState]:
    return [step.state for step in health.steps]


def test_a_whole_climb() -> None:
    def body(ladder: Ladder) -> None:
        for key in ("one", "two", "three"):
            ladder.begin(key)
            ladder.finish(f"{key} holds", warn=key == "two")

    health, told = climb(body)
    assert states(health) == [PASS, WARN, PASS]
    assert health.ok
    assert [(step.key, step.state) for step in told][:2] == [("one", StepState.RUNNING), ("one", PASS)]


def test_a_fault_fails_its_rung_and_skips_the_rest() -> None:
    def body(ladder: Ladder) -> None:
        ladder.begin("one")
        ladder.finish("fine")
        ladder.begin("two")
        raise Fault("broken", "It is broken", "Repair it.", Who.DBA)

    health, told = climb(body)
    assert states(health) == [PASS, FAIL, SKIPPED]
    failure = health.failure
    assert failure and (failure.code, failure.cause, failure.fix, failure.who) == (
        "broken",
        "It is broken",
        "Repair it.",
        Who.DBA,
    )
    assert told[-1].key == "three"


@pytest.mark.parametrize("error", [OutOfTime(), OSError("closed by the clean-up")])
def test_an_error_after_the_time_is_up_is_lateness(error: Exception) -> None:
    def body(ladder: Ladder) -> None:
        ladder.begin("one")
        raise error

    health, _ = climb(body, Deadline(0))
    assert health.failure and health.failure.code == "one-late"


def test_an_unknown_error_is_a_failure_that_tells_no_secret() -> None:
    def body(ladder: Ladder) -> None:
        ladder.begin("one")
        raise RuntimeError("hunter2")

    health, _ = climb(body)
    assert health.failure and health.failure.code == "unexpected"
    assert "RuntimeError" in health.failure.cause
    assert "hunter2" not in repr(health)


def test_a_cancelled_climb_raises_and_skips() -> None:
    cancelled = threading.Event()
    told: list[Step] = []
    ladder = Ladder(RUNGS, Deadline(5, cancelled), told.append, too_late)

    def body() -> None:
        ladder.begin("one")
        ladder.finish("fine")
        ladder.begin("two")
        cancelled.set()
        ladder.begin("three")

    with pytest.raises(Cancelled):
        ladder.climb(body)
    assert [(step.key, step.state) for step in told][-2:] == [("two", SKIPPED), ("three", SKIPPED)]


def test_a_fault_of_a_cancelled_climb_is_a_cancellation() -> None:
    cancelled = threading.Event()
    ladder = Ladder(RUNGS, Deadline(5, cancelled), lambda _: None, too_late)

    def body() -> None:
        ladder.begin("one")
        cancelled.set()
        raise Fault("broken", "It is broken", "Repair it.", Who.DBA)

    with pytest.raises(Cancelled):
        ladder.climb(body)
