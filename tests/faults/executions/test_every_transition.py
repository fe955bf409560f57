"""Whoever changes a status may die right before or right after: the next one finishes, and nothing is told twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from copying import eventually
from executing import DIED, Scripted, in_dying_child, quick, scripted_blocks, states, submitted, worked
from scripted_kind import opened_context

from etl_engine.engine.block import Output, Work
from etl_engine.errors import BadInput
from etl_engine.model.execution import Counters, Status
from etl_engine.services import execution_claims, executions
from etl_engine.services.context import Context


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    quick(monkeypatch, lease=2.0)
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Scripted]]:
    with scripted_blocks(monkeypatch, "one") as made:
        yield made


def until_final(ctx: Context, execution_id: str) -> Status:
    """Other workers and reapers do what is left to do."""

    def ended() -> bool:
        execution_claims.reap(ctx)
        worked(ctx, "another")
        return executions.get(ctx, execution_id).final

    eventually(ended, "its end")
    return executions.get(ctx, execution_id).status


def fails(_: Work) -> Output:
    raise BadInput("no")


def rejects(_: Work) -> Output:
    return Output(counters=Counters(read=2, loaded=1, rejected=1))


@pytest.mark.parametrize("point", ["", ".written"], ids=["before", "after"])
@pytest.mark.parametrize(
    ("status", "does"),
    [("running", None), ("success", None), ("failed", fails), ("partial", rejects)],
    ids=["running", "success", "failed", "partial"],
)
def test_a_worker_dies_beside_a_change(
    ctx: Context, blocks: dict[str, Scripted], status: str, does: object, point: str
) -> None:
    if does is not None:
        blocks["one"].does = does  # type: ignore[assignment]
    made = submitted(ctx)
    assert in_dying_child(lambda: worked(ctx, "dies"), f"execution.{status}{point}=kill") == DIED
    wanted = Status.SUCCESS if status == "running" else Status(status)
    assert until_final(ctx, made.id) is wanted
    story = [state.split("@")[0] for state in states(executions.get(ctx, made.id))]
    assert story.count(wanted.value) == 1


@pytest.mark.parametrize("point", ["", ".written"], ids=["before", "after"])
@pytest.mark.parametrize("status", ["lost", "pending"])
def test_a_reaper_dies_beside_a_change(ctx: Context, blocks: dict[str, Scripted], status: str, point: str) -> None:
    made = submitted(ctx)
    assert execution_claims.claim(ctx, "dead")

    def reap() -> None:
        eventually(lambda: bool(execution_claims.reap(ctx)), "the loss")

    assert in_dying_child(reap, f"execution.{status}{point}=kill") == DIED
    assert until_final(ctx, made.id) is Status.SUCCESS
    expected = ["pending@1", "running@1", "lost@1", "pending@2", "running@2", "success@2"]
    assert states(executions.get(ctx, made.id)) == expected
    assert executions.get(ctx, made.id).lost == 1


@pytest.mark.parametrize("point", ["", ".written"], ids=["before", "after"])
def test_who_cancels_dies_beside_the_change(ctx: Context, blocks: dict[str, Scripted], point: str) -> None:
    made = submitted(ctx)
    assert in_dying_child(lambda: executions.cancel(ctx, made.id), f"execution.cancelled{point}=kill") == DIED
    assert until_final(ctx, made.id) is (Status.CANCELLED if point else Status.SUCCESS)
