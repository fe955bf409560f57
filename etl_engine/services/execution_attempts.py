"""One attempt at an execution, from its claim to its end: tasks, log, heartbeat, and every way to be stopped."""

import datetime as dt
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from etl_engine.engine import runner
from etl_engine.engine.block import Block, Output, Work
from etl_engine.engine.watching import Progress
from etl_engine.errors import Cancelled, EtlError, StoreUnavailable
from etl_engine.faultpoints import faultpoint
from etl_engine.model.collections import EXECUTIONS
from etl_engine.model.execution import Counters, Failure, Graph, Level, Movement, Node, Origin, Status
from etl_engine.services import access, execution_claims
from etl_engine.services.capabilities import open_as
from etl_engine.services.context import Context
from etl_engine.services.execution_documents import failure_of
from etl_engine.services.execution_lease import Lease, Why, clock
from etl_engine.services.execution_logs import RunLog
from etl_engine.services.execution_tasks import TaskBook
from etl_engine.store.contract import Document

log = structlog.get_logger("etl_engine.execution")

TICK_SECONDS = 1.0
# After the wish to end: what waits for a server that does not answer is not waited for any longer.
GRACE_SECONDS = 10.0
HARD_EXIT = 70


def claim_and_run(
    ctx: Context,
    owner: str,
    *,
    ending: threading.Event,
    stall_seconds: float,
    known: Mapping[str, Block] | None = None,
    on_claim: Callable[[str], None] = lambda _: None,
) -> bool:
    """Take one pending execution and bring it to an end; False where none is pending.

    Once `ending` is set, the execution is handed back as soon as possible.
    """
    access.require(ctx, "execution:work")
    asked = clock()
    held = execution_claims.claim(ctx, owner)
    if held is None:
        return False
    on_claim(held["_id"])
    Attempt(ctx, held, Lease(asked), ending, stall_seconds, known or runner.blocks()).run()
    return True


class Attempt:
    """One attempt. It runs in the thread that calls `run`; its heart beats in another one."""

    def __init__(
        self,
        ctx: Context,
        held: Document,
        lease: Lease,
        ending: threading.Event,
        stall_seconds: float,
        known: Mapping[str, Block],
    ) -> None:
        self._ctx = ctx
        self._held = held
        self._graph = Graph.model_validate(held["graph"])
        self._known = known
        self._ending = ending
        self._stall_seconds = stall_seconds
        self._lease = lease
        self._log = RunLog(ctx, held)
        self._tasks = TaskBook(ctx, held, lease)
        self._done: dict[str, Counters] = {}
        self._node = ""
        self._progress: Progress = Progress()
        self._over = threading.Event()
        self._writing_end = threading.Lock()
        self._ended = False

    def run(self) -> None:
        faultpoint("execution.claimed")
        epoch, owner = self._held["epoch"], self._held["owner"]
        if epoch > 1:
            self._log.write(Level.WARNING, Origin.ENGINE, f"Taken up again: attempt {epoch}, by {owner}")
        else:
            self._log.write(Level.INFO, Origin.ENGINE, f"Started by {owner}")
        heart = threading.Thread(target=self._beat, name=f"heart of {self._held['_id']}", daemon=True)
        heart.start()
        try:
            self._go()
        finally:
            self._over.set()
            heart.join(GRACE_SECONDS)

    def _go(self) -> None:
        try:
            runner.check(self._graph, self._known)
            done = self._tasks.done_before(self._graph)
            self._done |= {name: output.counters for name, output in done.items()}
            ending = runner.run(self._graph, self._known, self, done)
        except Exception as error:
            if isinstance(error, Cancelled) or self._lease.wished:
                self._stopped(error)
                return
            if not isinstance(error, EtlError):
                log.exception("an execution failed", execution=self._held["_id"])
            self._end(Status.FAILED, failure_of(error))
        else:
            self._came_to_its_end(ending)

    def _came_to_its_end(self, ending: runner.Ending) -> None:
        errors = ending.errors
        if errors and self._lease.wished:
            self._stopped(next(iter(errors.values())))
            return
        error = next((failure_of(error, node) for node, error in errors.items()), None)
        results = [dict(output.result) for output in ending.outputs.values() if output.result is not None]
        faultpoint("execution.ending")
        self._end(ending.status(self._graph), error, results[-1] if results else None)

    def _stopped(self, error: Exception) -> None:
        """The run ended because it was to end, whatever broke on the way."""
        why = self._lease.why or (Why.LOST if self._lease.over else Why.CANCELLED)
        if why is Why.LOST:
            log.warning("an execution was given up for lost while it ran", execution=self._held["_id"])
        elif why is Why.HANDED_BACK:
            self._log.write(Level.WARNING, Origin.ENGINE, "Handed back: this worker ends")
            self._log.flush()
            self._lease.patiently(lambda: execution_claims.hand_back(self._ctx, self._held, self._counters()))
        elif why is Why.STALLED:
            text = f"Nothing moved for {self._stall_seconds / 60:g} minutes, and the run was stopped"
            hint = "Look at what the source and the target are waiting for, then retry."
            self._end(Status.FAILED, Failure(code="stalled", message=text, hint=hint, retryable=True, task=self._node))
        else:
            self._end(Status.CANCELLED, failure_of(error, self._node) if self._lease.why is None else None)

    def _end(self, status: Status, error: Failure | None = None, result: Document | None = None) -> None:
        with self._writing_end:
            if self._ended:
                return
            counters = self._counters()
            level = {Status.FAILED: Level.ERROR, Status.PARTIAL: Level.WARNING}.get(status, Level.INFO)
            said = f": {error.message}" if error else ""
            rows = f"{counters.read:,} rows read, {counters.loaded:,} loaded, {counters.rejected:,} rejected"
            self._log.write(level, Origin.ENGINE, f"Ended: {status.value}{said}; {rows}", error.task if error else "")
            self._log.flush()
            written = self._lease.patiently(
                lambda: execution_claims.end(
                    self._ctx, self._held, status, counters=counters, error=error, result=result
                )
            )
            self._ended = True
        if written is None:
            log.warning("the end of an execution does not count: it was given up for lost", execution=self._held["_id"])

    def _counters(self) -> Counters:
        total = {name: sum(getattr(one, name) for one in self._done.values()) for name in Counters.model_fields}
        if self._node and self._node not in self._done:
            total["read"] += self._progress.rows_done
            total["bytes"] += self._progress.bytes_done
        return Counters(**total)

    # What the runner asks for.

    def work(self, node: Node, block: Block, inputs: Mapping[str, Output]) -> Output:
        self._node, self._progress = node.id, _Told(self._phase)
        self._lease.check()
        kept = self._tasks.begin(node)
        faultpoint("execution.began")
        output = block.run(
            Work(
                node=node,
                inputs=inputs,
                open=lambda connection_id, capability: open_as(self._ctx, connection_id, capability),
                progress=self._progress,
                stop=self._lease,
                note=lambda level, origin, message: self._log.write(level, origin, message, node.id),
                kept=kept,
                keep=lambda values: self._tasks.keep(node, values),
                resumed=self._held["epoch"] > 1,
            )
        )
        self._done[node.id] = output.counters
        faultpoint("execution.done")
        self._tasks.done(node, output)
        return output

    def failed(self, node: Node, error: Exception) -> None:
        if self._lease.wished:
            return
        failure = failure_of(error, node.id)
        if failure.code == "internal":
            log.error("a block failed", execution=self._held["_id"], block=node.block, exc_info=error)
        said = ". ".join(part.rstrip(".") for part in (failure.message, failure.hint) if part)
        self._log.write(Level.ERROR, Origin.ENGINE, f"{said}.", node.id)
        self._tasks.failed(node, failure, self._counters())

    def _phase(self, phase: str) -> None:
        if phase == "waiting":
            self._log.write(Level.WARNING, Origin.ENGINE, "The connection broke: trying again", self._node)
        else:
            self._log.write(Level.DEBUG, Origin.ENGINE, phase.capitalize(), self._node)

    # The heart.

    def _beat(self) -> None:
        beaten = moved = clock()
        seen = told = self._position()
        moved_at = dt.datetime.now(dt.UTC)
        while not self._over.wait(TICK_SECONDS):
            if self._ending.is_set():
                self._lease.end(Why.HANDED_BACK)
            try:
                self._log.flush_if_due()
                now = self._position()
                if now != seen:
                    seen, moved, moved_at = now, clock(), dt.datetime.now(dt.UTC)
                if clock() - moved > self._stall_seconds:
                    self._lease.end(Why.STALLED)
                due = clock() - beaten >= execution_claims.HEARTBEAT_SECONDS - TICK_SECONDS / 2
                if now != told or due or self._is_to_end():
                    beaten, told = self._renewed(moved_at) or beaten, now
            except StoreUnavailable:
                pass  # the lease says how long that may last
            except Exception:
                log.exception("a heartbeat failed", execution=self._held["_id"])
            if self._lease.over:
                self._lease.end(Why.LOST)
            if self._lease.why and clock() - self._lease.since > GRACE_SECONDS:
                self._end_hard()

    def _position(self) -> tuple[object, ...]:
        """What changes while the data path moves."""
        progress = self._progress
        return (self._node, progress.phase, progress.rows_done, progress.bytes_done, len(self._done))

    def _is_to_end(self) -> bool:
        document = self._ctx.store.get(EXECUTIONS.name, self._held["_id"])
        return (
            document is None or document["cancel_requested_at"] is not None or document["epoch"] != self._held["epoch"]
        )

    def _renewed(self, moved_at: dt.datetime) -> float | None:
        """When the beat was sent; None where nobody took it."""
        asked, progress = clock(), self._progress
        movement = Movement(
            phase=progress.phase,
            task=self._node,
            rows_total=progress.rows_total,
            bytes_total=progress.bytes_total,
            batch=len(self._done),
            moved_at=moved_at,
        )
        document = execution_claims.beat(self._ctx, self._held, self._counters(), movement)
        if document is None:
            if not self._ended:
                self._lease.end(Why.LOST)
            return None
        self._lease.renew(asked)
        faultpoint("execution.beat")
        if document["cancel_requested_at"] is not None:
            self._lease.end(Why.CANCELLED)
        return asked

    def _end_hard(self) -> None:
        """Something does not hear that it is to end: a driver that waits for a server. The process goes, and with it
        its sessions; their transactions are rolled back."""
        log.error("a run did not end when it was asked to; its process ends", execution=self._held["_id"])
        self._stopped(Cancelled("The run was stopped, and its process with it"))
        os._exit(HARD_EXIT)


class _Told(Progress):
    """Progress that tells of every new phase."""

    _on_phase: Callable[[str], None]

    def __init__(self, on_phase: Callable[[str], None]) -> None:
        super().__init__()
        self._on_phase = on_phase

    def __setattr__(self, name: str, value: Any) -> None:
        news = name == "phase" and "_on_phase" in self.__dict__ and value != self.phase
        super().__setattr__(name, value)
        if news:
            self._on_phase(value)
