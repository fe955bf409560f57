"""One attempt at an execution: how it can end, what it leaves behind, who may still write."""

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from copying import eventually
from executing import Scripted, quick, scripted_blocks, states, submitted, worked
from scripted_kind import at_once, opened_context

from etl_engine.engine.block import Output, Work
from etl_engine.errors import BadInput, StoreUnavailable
from etl_engine.model.collections import EXECUTIONS
from etl_engine.model.execution import Counters, Execution, Level, Origin, Status
from etl_engine.services import execution_claims, execution_logs, executions
from etl_engine.services.context import Context
from etl_engine.services.execution_logs import Search


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Scripted]]:
    quick(monkeypatch)
    with scripted_blocks(monkeypatch, "one", "two", "three") as made:
        yield made


def said(ctx: Context, execution: Execution, level: Level = Level.INFO) -> list[str]:
    return [line.message for line in execution_logs.page(ctx, execution.id, Search(level=level)).items]


def until_told(work: Work) -> Output:
    """A block that works until it is to end."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        work.stop.check()
        time.sleep(0.01)
    raise AssertionError("nobody told it to end")


def in_thread(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def ended(ctx: Context, execution: Execution) -> Execution:
    eventually(lambda: executions.get(ctx, execution.id).final, "the end of the execution")
    return executions.get(ctx, execution.id)


def test_a_good_end_has_counters_result_tasks_and_a_log(ctx: Context, blocks: dict[str, Scripted]) -> None:
    blocks["one"].does = lambda work: Output(
        counters=Counters(read=5, loaded=5, bytes=40), metadata={"type": "DB_TABLE", "table": "t"}, result={"rows": 5}
    )
    made = submitted(ctx, "one", "two")
    assert worked(ctx)
    now = executions.get(ctx, made.id)
    assert (now.status, now.counters, now.result) == (Status.SUCCESS, Counters(read=5, loaded=5, bytes=40), {"rows": 5})
    assert now.started_at
    assert now.finished_at
    assert states(now) == ["pending@1", "running@1", "success@1"]
    tasks = executions.tasks(ctx, made.id)
    assert [(task.block_id, task.status, task.epoch) for task in tasks] == [
        ("one", Status.SUCCESS, 1),
        ("two", Status.SUCCESS, 1),
    ]
    assert tasks[0].output_metadata == {"type": "DB_TABLE", "table": "t"}
    assert said(ctx, made) == ["Started by worker", "Ended: success; 5 rows read, 5 loaded, 0 rejected"]


def test_an_execution_with_nothing_to_do_succeeds(ctx: Context, blocks: dict[str, Scripted]) -> None:
    from etl_engine.model.execution import Graph, Subject

    made = executions.submit(ctx, Subject(kind="check"), Graph())
    worked(ctx)
    assert executions.get(ctx, made.id).status is Status.SUCCESS


def test_a_failure_says_what_and_what_to_do(ctx: Context, blocks: dict[str, Scripted]) -> None:
    def does(work: Work) -> Output:
        work.note(Level.INFO, Origin.SOURCE, "Reading")
        raise BadInput("There is no table t", hint="Make it.")

    blocks["one"].does = does
    made = submitted(ctx)
    worked(ctx)
    now = executions.get(ctx, made.id)
    assert now.status is Status.FAILED
    assert now.error
    assert (now.error.code, now.error.message, now.error.hint, now.error.task) == (
        "bad-input",
        "There is no table t",
        "Make it.",
        "one",
    )
    [task] = executions.tasks(ctx, made.id)
    assert (task.status, task.error) == (Status.FAILED, now.error)
    lines = execution_logs.page(ctx, made.id, Search(level=Level.ERROR)).items
    assert [line.message for line in lines] == [
        "There is no table t. Make it.",
        "Ended: failed: There is no table t; 0 rows read, 0 loaded, 0 rejected",
    ]


def test_a_defect_is_named_without_its_text(ctx: Context, blocks: dict[str, Scripted]) -> None:
    def does(_: Work) -> Output:
        raise RuntimeError("password=hunter2hunter2")

    blocks["one"].does = does
    made = submitted(ctx)
    worked(ctx)
    now = executions.get(ctx, made.id)
    assert now.error
    assert (now.status, now.error.code) == (Status.FAILED, "internal")
    assert "hunter2" not in now.model_dump_json() + "".join(said(ctx, made, Level.DEBUG))


def test_rejected_rows_make_it_partial(ctx: Context, blocks: dict[str, Scripted]) -> None:
    blocks["one"].does = lambda work: Output(counters=Counters(read=3, loaded=2, rejected=1))
    made = submitted(ctx)
    worked(ctx)
    assert executions.get(ctx, made.id).status is Status.PARTIAL


def test_a_branch_that_fails_does_not_stop_the_others(ctx: Context, blocks: dict[str, Scripted]) -> None:
    def does(_: Work) -> Output:
        raise BadInput("no")

    blocks["one"].does = does
    made = submitted(ctx, "one", "two", "three", edges=())
    behind = executions.submit(
        ctx, made.subject, made.graph.model_copy(update={"edges": (_edge("one", "two"), _edge("two", "three"))})
    )
    worked(ctx)
    worked(ctx)
    assert executions.get(ctx, made.id).status is Status.PARTIAL
    assert [task.status for task in executions.tasks(ctx, made.id)] == [Status.FAILED, Status.SUCCESS, Status.SUCCESS]
    assert executions.get(ctx, behind.id).status is Status.FAILED
    assert [task.status for task in executions.tasks(ctx, behind.id)] == [
        Status.FAILED,
        Status.CANCELLED,
        Status.CANCELLED,
    ]


def _edge(source: str, target: str) -> Any:
    from etl_engine.model.execution import Edge

    return Edge(source=source, target=target)


def test_a_block_is_given_what_came_out_before_it(ctx: Context, blocks: dict[str, Scripted]) -> None:
    blocks["one"].does = lambda work: Output(value=[1, 2, 3])
    made = submitted(ctx, "two", "one", edges=(("one", "two"),))
    worked(ctx)
    assert executions.get(ctx, made.id).status is Status.SUCCESS
    assert blocks["two"].works[0].inputs["one"].value == [1, 2, 3]


def test_a_running_execution_is_cancelled_within_seconds(ctx: Context, blocks: dict[str, Scripted]) -> None:
    blocks["one"].does = until_told
    made = submitted(ctx, "one", "two")
    thread = in_thread(lambda: worked(ctx))
    eventually(lambda: bool(blocks["one"].works), "the start")
    asked = executions.cancel(ctx, made.id)
    assert asked.cancel_requested_at is not None
    thread.join(5)
    now = executions.get(ctx, made.id)
    assert states(now) == ["pending@1", "running@1", "cancelled@1"]
    assert blocks["two"].works == []
    assert executions.cancel(ctx, made.id).status is Status.CANCELLED


def test_a_worker_that_ends_hands_back_and_another_goes_on(ctx: Context, blocks: dict[str, Scripted]) -> None:
    def does(work: Work) -> Output:
        work.keep({"run_id": "r1"})
        return until_told(work)

    blocks["one"].does = does
    made = submitted(ctx)
    ending = threading.Event()
    thread = in_thread(lambda: worked(ctx, ending=ending))
    eventually(lambda: bool(blocks["one"].works), "the start")
    ending.set()
    thread.join(5)
    assert executions.get(ctx, made.id).status is Status.PENDING
    assert [task.status for task in executions.tasks(ctx, made.id)] == [Status.PENDING]
    blocks["one"].does = lambda work: Output()
    assert worked(ctx, "another")
    now = executions.get(ctx, made.id)
    assert states(now) == ["pending@1", "running@1", "pending@2", "running@2", "success@2"]
    assert (blocks["one"].works[1].resumed, blocks["one"].works[1].kept) == (True, {"run_id": "r1"})
    assert "Taken up again: attempt 2, by another" in said(ctx, made)


def test_cancelled_and_handed_back_at_once_is_cancelled(ctx: Context, blocks: dict[str, Scripted]) -> None:
    ending = threading.Event()

    def does(work: Work) -> Output:
        executions.cancel(ctx, work.node.config["execution"])
        ending.set()
        return until_told(work)

    blocks["one"].does = does
    made = submitted(ctx)
    ctx.store.update(EXECUTIONS.name, {"_id": made.id}, {"graph": _with_config(made, {"execution": made.id})})
    worked(ctx, ending=ending)
    assert ended(ctx, made).status is Status.CANCELLED


def _with_config(made: Execution, config: dict[str, Any]) -> dict[str, Any]:
    raw = made.graph.model_dump(mode="json")
    raw["nodes"][0]["config"] = config
    return raw


def test_a_run_in_which_nothing_moves_is_stopped(ctx: Context, blocks: dict[str, Scripted]) -> None:
    blocks["one"].does = until_told
    made = submitted(ctx)
    worked(ctx, stall=0.3)
    now = executions.get(ctx, made.id)
    assert now.error
    assert (now.status, now.error.code) == (Status.FAILED, "stalled")


def test_a_run_that_moves_is_not_stopped_and_tells_how_far_it_is(ctx: Context, blocks: dict[str, Scripted]) -> None:
    seen: list[Execution] = []

    def does(work: Work) -> Output:
        work.progress.rows_total = 120
        for rows in range(120):
            work.progress.rows_done = rows
            time.sleep(0.02)
        seen.append(executions.get(ctx, made.id))
        return Output(counters=Counters(read=120))

    blocks["one"].does = does
    made = submitted(ctx)
    worked(ctx, stall=1.2)
    assert executions.get(ctx, made.id).status is Status.SUCCESS
    assert 0 < seen[0].counters.read < 120
    assert (seen[0].movement.task, seen[0].movement.rows_total) == ("one", 120)
    assert seen[0].movement.moved_at
    assert seen[0].heartbeat_at > seen[0].started_at  # type: ignore[operator]


def test_a_lost_run_is_taken_up_again_and_the_old_attempt_writes_nothing_more(
    ctx: Context, blocks: dict[str, Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heart of the first attempt stands still, as that of a stopped process does; then it wakes."""
    still, wake, outcome = threading.Event(), threading.Event(), []

    def first(work: Work) -> Output:
        monkeypatch.setattr(execution_claims, "beat", _waits_for(wake, execution_claims.beat))
        work.keep({"run_id": "r1"})
        still.set()
        assert wake.wait(20)
        try:
            work.keep({"run_id": "too late"})
        except BaseException as error:
            outcome.append(type(error).__name__)
            raise
        return Output(counters=Counters(read=99))

    blocks["one"].does = first
    made = submitted(ctx)
    thread = in_thread(lambda: worked(ctx, "zombie"))
    assert still.wait(10)
    reaped: list[str] = []
    eventually(lambda: reaped.extend(execution_claims.reap(ctx)) or bool(reaped), "the loss")  # type: ignore[func-returns-value]
    assert reaped == [made.id]
    blocks["one"].does = lambda work: Output(counters=Counters(read=1))
    monkeypatch.undo()
    quick(monkeypatch)
    with scripted_blocks(monkeypatch, "one") as again:
        again["one"].does = lambda work: Output(counters=Counters(read=1))
        assert worked(ctx, "second")
    wake.set()
    thread.join(10)
    now = executions.get(ctx, made.id)
    assert outcome == ["Cancelled"]
    assert states(now) == ["pending@1", "running@1", "lost@1", "pending@2", "running@2", "success@2"]
    assert (now.counters.read, now.owner, now.lost) == (1, "second", 1)
    assert not [text for text in said(ctx, made) if "99" in text]


def _waits_for(event: threading.Event, real: Callable[..., Any]) -> Callable[..., Any]:
    def beat(*args: Any) -> Any:
        assert event.wait(20)
        return real(*args)

    return beat


def test_a_run_whose_worker_dies_every_time_fails_in_the_end(ctx: Context, blocks: dict[str, Scripted]) -> None:
    made = submitted(ctx)
    for attempt in range(execution_claims.MOST_LOST):
        assert execution_claims.claim(ctx, f"dies {attempt}")
        eventually(lambda: bool(execution_claims.reap(ctx)), "the loss")
    now = executions.get(ctx, made.id)
    assert now.error
    assert (now.status, now.error.code, now.lost) == (Status.FAILED, "worker-lost", 3)
    assert not worked(ctx)


def test_a_cancel_of_a_dead_workers_run_ends_it(ctx: Context, blocks: dict[str, Scripted]) -> None:
    made = submitted(ctx)
    assert execution_claims.claim(ctx, "dead")
    assert executions.cancel(ctx, made.id).status is Status.RUNNING
    eventually(lambda: bool(execution_claims.reap(ctx)), "the loss")
    assert states(executions.get(ctx, made.id)) == ["pending@1", "running@1", "lost@1", "cancelled@1"]


def test_ten_reapers_at_once_lose_a_run_once(ctx: Context, blocks: dict[str, Scripted]) -> None:
    made = submitted(ctx)
    assert execution_claims.claim(ctx, "dead")
    until = time.monotonic() + 10
    eventually(lambda: _expired(ctx, made) or time.monotonic() > until, "the end of the lease")
    lost = at_once(10, lambda _: execution_claims.reap(ctx))
    assert sum(len(one) for one in lost) == 1
    assert states(executions.get(ctx, made.id)) == ["pending@1", "running@1", "lost@1", "pending@2"]


def test_fifty_orphans_are_found_in_one_look(ctx: Context, blocks: dict[str, Scripted]) -> None:
    ids = {submitted(ctx).id for _ in range(50)}
    while execution_claims.claim(ctx, "dead"):
        pass
    eventually(lambda: all(_expired(ctx, executions.get(ctx, one)) for one in ids), "the end of every lease")
    assert set(execution_claims.reap(ctx)) == ids
    assert executions.counts(ctx, executions.Query()) == {Status.PENDING: 50}


def test_a_cancel_while_the_loss_is_decided_leaves_one_end(ctx: Context, blocks: dict[str, Scripted]) -> None:
    ids = [submitted(ctx).id for _ in range(6)]
    while execution_claims.claim(ctx, "dead"):
        pass
    eventually(lambda: all(_expired(ctx, executions.get(ctx, one)) for one in ids), "the end of every lease")
    work = [lambda: [executions.cancel(ctx, one) for one in ids], *[lambda: execution_claims.reap(ctx)] * 3]
    assert not [one for one in at_once(4, lambda number: work[number]()) if isinstance(one, Exception)]
    execution_claims.reap(ctx)
    for one in ids:
        story = states(executions.get(ctx, one))
        assert story[:2] == ["pending@1", "running@1"]
        assert [state.split("@")[0] for state in story].count("cancelled") == 1
        assert story[-1].startswith("cancelled")


def _expired(ctx: Context, made: Execution) -> bool:
    until = executions.get(ctx, made.id).lease_until
    assert until
    return until < dt.datetime.now(dt.UTC)


def test_a_store_that_is_away_at_the_end_is_waited_for(
    ctx: Context, blocks: dict[str, Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch, lease=10.0)
    tries: list[int] = []
    real = execution_claims.end

    def away(*args: Any, **more: Any) -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise StoreUnavailable
        return real(*args, **more)

    monkeypatch.setattr(execution_claims, "end", away)
    made = submitted(ctx)
    worked(ctx)
    assert executions.get(ctx, made.id).status is Status.SUCCESS
    assert len(tries) == 3


def test_a_store_that_stays_away_ends_the_attempt_with_its_lease_and_nothing_is_claimed_to_be_done(
    ctx: Context, blocks: dict[str, Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable

    def does(work: Work) -> Output:
        monkeypatch.setattr(execution_claims, "beat", away)
        return until_told(work)

    blocks["one"].does = does
    made = submitted(ctx)
    worked(ctx)
    assert executions.get(ctx, made.id).status is Status.RUNNING  # as far as anybody knows
    assert execution_claims.reap(ctx) == [made.id]
    assert executions.get(ctx, made.id).status is Status.PENDING


def test_a_retry_goes_on_where_it_was_broken_off(ctx: Context, blocks: dict[str, Scripted]) -> None:
    blocks["one"].does = lambda work: Output(metadata={"type": "DB_TABLE"}, counters=Counters(read=4))

    def broken(work: Work) -> Output:
        work.keep({"run_id": "r7"})
        raise BadInput("no")

    blocks["two"].does = broken
    made = submitted(ctx, "one", "two", edges=(("one", "two"),))
    worked(ctx)
    assert executions.get(ctx, made.id).status is Status.FAILED
    again = executions.retry(ctx, made.id)
    blocks["two"].does = lambda work: Output(counters=Counters(read=1))
    worked(ctx)
    assert executions.get(ctx, again.id).status is Status.SUCCESS
    assert len(blocks["one"].works) == 1, "what lasts is not done again"
    assert blocks["two"].works[1].kept == {"run_id": "r7"}
    assert blocks["two"].works[1].inputs["one"].metadata == {"type": "DB_TABLE"}
    assert executions.get(ctx, again.id).counters.read == 5
    assert [task.status for task in executions.tasks(ctx, again.id)] == [Status.SUCCESS, Status.SUCCESS]
