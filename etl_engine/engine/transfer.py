"""One copy from its order to its receipt: read, apply a write mode, and let rows, ledger and cursor commit together."""

import contextlib
import gc
from collections.abc import Iterator

import stamina

from etl_engine.connectors.rows import Destination, Selection, Source, UnknownCommit
from etl_engine.engine import planner
from etl_engine.engine.run import Ends as Ends  # noqa: PLC0414 - who orders a copy knows them from here
from etl_engine.engine.run import Run, last_entry
from etl_engine.engine.tally import Tally
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import Cancelled, Throttled, Unreachable
from etl_engine.model.copies import CopyOrder, CopyPlan, CopyReceipt

_ATTEMPTS = 4
_PATIENCE_SECONDS = 120.0
# By default Python looks for cycles after every 700 rows that it makes: a seventh of the time of reading SQLite.
_OBJECTS_BETWEEN_LOOKS = (50_000, 20, 20)


def plan(order: CopyOrder, ends: Ends) -> CopyPlan:
    """What a copy would do; reads catalogues and the ledger, writes nothing."""
    with _opened(ends, Stop()) as (source, destination):
        table = source.describe(Selection(order.table, order.query, order.columns))
        target, _ = destination.resolve(order.target)
        before = None if order.restart else last_entry(destination, order, target)
        planned = planner.plan(order, source, destination, table, before.moment if before else None)
        if order.reconcile:
            what = "repaired, each range in a commit of its own" if order.reconcile == "repair" else "reported"
            planned.plan.notes.append(f"Both sides are compared by ranges of the key; what differs is {what}.")
        elif planned.plan.lane != "relay":
            from etl_engine.engine import parallel

            count = parallel.readers(planned)
            planned.plan.notes.extend(parallel.told(count) if count > 1 else ())
        return planned.plan


def run(order: CopyOrder, ends: Ends, progress: Progress, stop: Stop) -> CopyReceipt:
    """Copy, again where a failure was not the data's: what is committed stays, and is not written twice."""
    gc.set_threshold(*_OBJECTS_BETWEEN_LOOKS)
    tally = Tally()
    attempts = stamina.retry_context(
        on=(Unreachable, Throttled, UnknownCommit), attempts=_ATTEMPTS, timeout=_PATIENCE_SECONDS, wait_max=10.0
    )
    try:
        for attempt in attempts:
            with attempt:
                if attempt.num > 1:
                    progress.again()
                return _attempt(order, ends, progress, stop, tally)
    except UnknownCommit as error:
        raise Unreachable(
            f"The connection broke while the last batch was committed, and the target cannot be asked: {error}",
            hint="Run the copy again: the ledger in the target knows what is written.",
        ) from error
    raise AssertionError("the attempts end with a receipt or an error")


def _attempt(order: CopyOrder, ends: Ends, progress: Progress, stop: Stop, tally: Tally) -> CopyReceipt:
    try:
        stop.check()
        with _opened(ends, stop) as (source, destination):
            return _kind(order)(order, source, destination, ends, progress, stop, tally).go()
    except (Cancelled, UnknownCommit):
        raise
    except Exception:
        stop.check()  # whatever broke after somebody wished to end broke because of that
        raise


def _kind(order: CopyOrder) -> type[Run]:
    if not order.reconcile:
        return Run
    from etl_engine.engine.reconciling import Reconciling

    return Reconciling


@contextlib.contextmanager
def _opened(ends: Ends, stop: Stop) -> Iterator[tuple[Source, Destination]]:
    with contextlib.ExitStack() as stack:
        source = ends.source()
        stack.callback(source.close)
        destination = ends.destination()
        stack.callback(destination.close)
        stack.callback(stop.forget)
        stop.tell(source.stop)
        stop.tell(destination.stop)
        yield source, destination
