"""Climbs the rungs of a check in order: reports, measures, turns the first failure into an answer."""

import dataclasses
import time
from collections.abc import Callable, Sequence

import structlog

from etl_engine.connectors.contract import Deadline, Health, Step, StepState, Who
from etl_engine.connectors.fault import Fault, OutOfTime
from etl_engine.errors import Cancelled

log = structlog.get_logger(__name__)


class Ladder:
    """One climb. Rungs are begun and finished in order; whatever stops the climb is told by `climb`."""

    def __init__(
        self,
        rungs: Sequence[Step],
        deadline: Deadline,
        on_step: Callable[[Step], None],
        too_late: Callable[[str], Fault],
    ) -> None:
        self.deadline = deadline
        self.version = ""
        self._steps = list(rungs)
        self._on_step = on_step
        self._too_late = too_late
        self._at = -1
        self.listener_failed = False
        self._started = self._step_started = time.perf_counter()

    def climb(self, body: Callable[[], None]) -> Health:
        """Run `body`, which begins and finishes the rungs; answer what became of them."""
        try:
            body()
        except Exception as error:
            if self.listener_failed:
                raise
            # A driver may have wrapped or replaced the reason while it cleaned up: the deadline knows better.
            if self.deadline.cancelled:
                self._skip_from(max(self._at, 0))
                raise Cancelled("The test was cancelled") from None
            if isinstance(error, Fault):
                self._fail(error)
            elif isinstance(error, OutOfTime) or self.deadline.left() <= 0:
                self._fail(self._too_late(self.current))
            else:
                self._fail(self._unexpected(error))
        return Health(tuple(self._steps), self._since(self._started), self.version)

    @property
    def current(self) -> str:
        return self._steps[self._at].key

    def begin(self, key: str) -> None:
        self.deadline.left()
        self._at = next(index for index, step in enumerate(self._steps) if step.key == key)
        self._step_started = time.perf_counter()
        self._report(self._at, state=StepState.RUNNING)

    def finish(self, evidence: str, *, warn: bool = False, fix: str = "") -> None:
        """The rung holds; with `warn` it holds and somebody should know something."""
        state = StepState.WARN if warn else StepState.PASS
        self._report(self._at, state=state, evidence=evidence, fix=fix, ms=self._since(self._step_started))

    def _fail(self, fault: Fault) -> None:
        self._report(
            self._at,
            state=StepState.FAIL,
            cause=fault.cause,
            fix=fault.fix,
            who=fault.who,
            code=fault.code,
            ms=self._since(self._step_started),
        )
        self._skip_from(self._at + 1)

    def _skip_from(self, first: int) -> None:
        for index in range(first, len(self._steps)):
            self._report(index, state=StepState.SKIPPED)

    def _unexpected(self, error: Exception) -> Fault:
        log.error("check.unexpected", step=self.current, exc_info=error)
        return Fault(
            "unexpected",
            f"The check met an error it does not know: {type(error).__name__}",
            "Report this together with the line check.unexpected of the log.",
            Who.YOU,
        )

    def _report(self, index: int, **changes: object) -> None:
        self._steps[index] = dataclasses.replace(self._steps[index], **changes)  # type: ignore[arg-type]
        try:
            self._on_step(self._steps[index])
        except Exception:
            self.listener_failed = True
            raise

    @staticmethod
    def _since(start: float) -> float:
        return round((time.perf_counter() - start) * 1000, 1)
