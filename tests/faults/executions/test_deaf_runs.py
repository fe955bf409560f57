"""Runs that do not hear that they are to end: their process ends instead, and what is to be written is written."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from copying import eventually
from executing import Scripted, in_dying_child, quick, scripted_blocks, states, submitted, worked
from scripted_kind import opened_context

from etl_engine.engine.block import Output, Work
from etl_engine.model.execution import Execution, Status
from etl_engine.services import execution_attempts, executions
from etl_engine.services.context import Context
from etl_engine.services.execution_attempts import HARD_EXIT


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    quick(monkeypatch)
    monkeypatch.setattr(execution_attempts, "GRACE_SECONDS", 0.4)
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """A block that waits for something that never comes, as a driver waits for a server that is gone."""

    def does(_: Work) -> Output:
        time.sleep(30)
        raise AssertionError("the process was not ended")

    with scripted_blocks(monkeypatch, "one") as blocks:
        blocks["one"].does = does
        yield blocks["one"]


def when_running(ctx: Context, made: Execution) -> None:
    eventually(lambda: executions.get(ctx, made.id).status is Status.RUNNING, "that it runs")


def test_a_cancel_ends_a_run_that_does_not_hear(ctx: Context, deaf: Scripted) -> None:
    made = submitted(ctx)

    def cancel() -> None:
        when_running(ctx, made)
        executions.cancel(ctx, made.id)

    assert in_dying_child(lambda: worked(ctx), meanwhile=cancel) == HARD_EXIT
    assert states(executions.get(ctx, made.id)) == ["pending@1", "running@1", "cancelled@1"]


def test_a_stalled_run_that_does_not_hear_fails(ctx: Context, deaf: Scripted) -> None:
    made = submitted(ctx)
    assert in_dying_child(lambda: worked(ctx, stall=0.3)) == HARD_EXIT
    now = executions.get(ctx, made.id)
    assert now.error
    assert (now.status, now.error.code) == (Status.FAILED, "stalled")


def test_a_worker_that_ends_hands_back_what_does_not_hear(ctx: Context, deaf: Scripted) -> None:
    made = submitted(ctx)
    ending = threading.Event()
    ending.set()
    assert in_dying_child(lambda: worked(ctx, ending=ending)) == HARD_EXIT
    assert executions.get(ctx, made.id).status is Status.PENDING


def test_a_process_that_was_given_up_for_lost_ends_and_writes_nothing(
    ctx: Context, deaf: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = submitted(ctx)

    def taken_over() -> None:
        when_running(ctx, made)
        document = ctx.store.update("executions", {"_id": made.id}, {"epoch": 7})
        assert document

    assert in_dying_child(lambda: worked(ctx), meanwhile=taken_over) == HARD_EXIT
    now = executions.get(ctx, made.id)
    assert (now.status, now.epoch) == (Status.RUNNING, 7)
