"""Executions: ordered, listed, cancelled, repeated; their states and allowed moves."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from executing import CHECK, Scripted, graph, scripted_blocks, states, submitted, worked
from scripted_kind import at_once, audited, opened_context

from etl_engine.engine.block import Output
from etl_engine.errors import BadInput, Conflict, Denied, EtlError, NotFound
from etl_engine.model.execution import ACTIVE, FINAL, MOVES, Counters, Edge, Graph, Node, Status, Trigger
from etl_engine.services import execution_claims, executions
from etl_engine.services.context import Actor, Context
from etl_engine.services.execution_documents import move, stored
from etl_engine.services.executions import Position, Query


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Scripted]]:
    with scripted_blocks(monkeypatch, "one", "two") as made:
        yield made


def fail(text: str) -> Scripted:
    def does(_: object) -> None:
        raise BadInput(text, hint="Do something else.")

    return Scripted(does)  # type: ignore[arg-type]


def test_every_status_can_be_reached_and_what_is_final_stays() -> None:
    assert set(MOVES) == set(Status)
    assert {status for moves in MOVES.values() for status in moves} == set(Status)
    assert {"success", "partial", "failed", "cancelled"} == FINAL
    assert {"pending", "running", "lost"} == ACTIVE


def test_an_order_is_pending_and_audited(ctx: Context, blocks: dict[str, Scripted]) -> None:
    made = submitted(ctx)
    assert (made.status, made.epoch, states(made)) == (Status.PENDING, 1, ["pending@1"])
    assert executions.get(ctx, made.id) == made
    assert audited(ctx) == [("execution:submit", "done", "")]


def test_an_order_with_a_key_is_given_once(ctx: Context, blocks: dict[str, Scripted]) -> None:
    first = submitted(ctx, key="schedule:1:2026-01-01")
    again = executions.submit(ctx, CHECK, graph("two"), key="schedule:1:2026-01-01")
    assert again == first


def test_eight_threads_with_one_key_order_one_execution(ctx: Context, blocks: dict[str, Scripted]) -> None:
    made = at_once(8, lambda _: submitted(ctx, key="the fire").id)
    assert len(set(made)) == 1
    assert executions.counts(ctx, Query()) == {Status.PENDING: 1}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (Graph(nodes=(Node(id="a", block="nothing"),)), "no block 'nothing'"),
        (Graph(nodes=(Node(id="a", block="one"), Node(id="a", block="two"))), "same id"),
        (Graph(nodes=(Node(id="a", block="one"),), edges=(Edge(source="a", target="b"),)), "leads to b"),
        (
            Graph(
                nodes=(Node(id="a", block="one"), Node(id="b", block="two")),
                edges=(Edge(source="a", target="b"), Edge(source="b", target="a")),
            ),
            "wait for each other",
        ),
    ],
    ids=["unknown block", "id twice", "edge to nothing", "circle"],
)
def test_a_graph_that_cannot_run_is_refused(ctx: Context, blocks: dict[str, Scripted], wrong: Graph, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        executions.submit(ctx, CHECK, wrong)
    assert executions.counts(ctx, Query()) == {}


def test_pages_show_every_execution_once_newest_first(ctx: Context, blocks: dict[str, Scripted]) -> None:
    ids = [submitted(ctx).id for _ in range(7)]
    seen: list[str] = []
    after: Position | None = None
    for _ in range(4):
        page = executions.list_(ctx, Query(limit=2, after=after))
        seen += [one.id for one in page.items]
        after = page.next
    assert seen == ids[::-1]
    assert after is None


def test_a_list_is_filtered_by_status_kind_text_and_time(ctx: Context, blocks: dict[str, Scripted]) -> None:
    old = submitted(ctx)
    worked(ctx)
    new = executions.submit(ctx, CHECK.model_copy(update={"name": "Orders of the Shop"}), graph("one"))

    def found(**query: object) -> list[str]:
        return [one.id for one in executions.list_(ctx, Query(**query)).items]  # type: ignore[arg-type]

    assert found(statuses=(Status.SUCCESS,)) == [old.id]
    assert found(text="of the shop") == [new.id]
    assert found(kinds=("copy",)) == []
    assert found(kinds=("check",)) == [new.id, old.id]
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    assert found(created_after=later) == []
    assert found(created_before=later) == [new.id, old.id]


def test_a_pending_execution_is_cancelled_at_once(ctx: Context, blocks: dict[str, Scripted]) -> None:
    made = submitted(ctx)
    ended = executions.cancel(ctx, made.id)
    assert (ended.status, ended.cancelled_by) == (Status.CANCELLED, "anonymous")
    assert ended.finished_at is not None
    assert not worked(ctx)
    assert executions.cancel(ctx, made.id).transitions == ended.transitions
    assert [task.status for task in executions.tasks(ctx, made.id)] == [Status.CANCELLED]


def test_what_has_ended_cannot_be_cancelled(ctx: Context, blocks: dict[str, Scripted]) -> None:
    made = submitted(ctx)
    worked(ctx)
    with pytest.raises(Conflict, match="ended already: success"):
        executions.cancel(ctx, made.id)


def test_cancel_and_claim_at_once_leave_one_story(ctx: Context, blocks: dict[str, Scripted]) -> None:
    for _ in range(10):
        made = submitted(ctx)
        work = [lambda: executions.cancel(ctx, made.id), lambda: execution_claims.claim(ctx, "w")]  # noqa: B023
        answers = at_once(2, lambda number: work[number]())  # noqa: B023
        assert not [one for one in answers if isinstance(one, Exception)]
        now = executions.get(ctx, made.id)
        if now.status is Status.RUNNING:
            assert now.cancel_requested_at is not None
            assert execution_claims.end(ctx, stored(ctx, made.id), Status.CANCELLED, counters=now.counters)
        else:
            assert states(now) == ["pending@1", "cancelled@1"]
            assert answers[1] is None


def test_a_failed_execution_is_repeated_once_however_often_it_is_asked_for(
    ctx: Context, blocks: dict[str, Scripted]
) -> None:
    blocks["one"].does = fail("The table is gone").does
    made = submitted(ctx)
    worked(ctx)
    again = at_once(4, lambda _: executions.retry(ctx, made.id))
    assert len({one.id for one in again}) == 1
    assert (again[0].retry_of_id, again[0].trigger) == (made.id, Trigger(kind="retry", id=made.id))
    assert again[0].graph == made.graph
    assert again[0].series == made.series


def test_only_what_ended_badly_is_repeated(ctx: Context, blocks: dict[str, Scripted]) -> None:
    made = submitted(ctx)
    with pytest.raises(Conflict, match="has not ended: it is pending"):
        executions.retry(ctx, made.id)
    worked(ctx)
    with pytest.raises(Conflict, match="ended well"):
        executions.retry(ctx, made.id)
    blocks["one"].does = lambda work: Output(counters=Counters(read=3, loaded=2, rejected=1))
    uneven = submitted(ctx)
    worked(ctx)
    with pytest.raises(Conflict, match="partial for 1 rows that were rejected"):
        executions.retry(ctx, uneven.id)
    blocks["one"].does = fail("The table is gone").does
    branched = submitted(ctx, "one", "two", edges=())
    worked(ctx)
    assert executions.get(ctx, branched.id).status is Status.PARTIAL
    assert executions.retry(ctx, branched.id).retry_of_id == branched.id


def test_a_move_from_an_old_copy_does_nothing(ctx: Context, blocks: dict[str, Scripted]) -> None:
    made = submitted(ctx)
    old = stored(ctx, made.id)
    assert move(ctx, old, Status.CANCELLED) is not None
    assert move(ctx, old, Status.RUNNING) is None
    assert executions.get(ctx, made.id).status is Status.CANCELLED


@pytest.mark.parametrize("to", [Status.SUCCESS, Status.LOST, Status.FAILED, Status.PARTIAL])
def test_a_move_that_is_not_allowed_is_a_defect(ctx: Context, blocks: dict[str, Scripted], to: Status) -> None:
    made = submitted(ctx)
    with pytest.raises(AssertionError, match="does not go from pending"):
        move(ctx, stored(ctx, made.id), to)


def test_twenty_claims_at_once_give_each_execution_once(ctx: Context, blocks: dict[str, Scripted]) -> None:
    ids = [submitted(ctx).id for _ in range(12)]
    claimed = at_once(20, lambda number: execution_claims.claim(ctx, f"worker {number}"))
    assert not [one for one in claimed if isinstance(one, Exception)]
    assert sorted(one["_id"] for one in claimed if one) == sorted(ids)


def test_active_and_latest_of_a_saved_document(ctx: Context, blocks: dict[str, Scripted]) -> None:
    subject = CHECK.model_copy(update={"kind": "mapping", "id": "a" * 24})
    first = executions.submit(ctx, subject, graph("one"))
    worked(ctx)
    second = executions.submit(ctx, subject, graph("one"))
    assert [one.id for one in executions.active(ctx, "mapping", "a" * 24)] == [second.id]
    assert [one.id for one in executions.latest(ctx, "mapping", "a" * 24, 2)] == [second.id, first.id]
    assert first.series == second.series == f"mapping:{'a' * 24}"


def test_unknown_ids_and_missing_rights_are_said(ctx: Context, blocks: dict[str, Scripted]) -> None:
    for call in (executions.get, executions.cancel, executions.retry, executions.tasks):
        with pytest.raises(NotFound, match="no execution"):
            call(ctx, "0" * 24)
    bob = ctx.for_request("", Actor("bob", frozenset({"execution:read"})))
    made = submitted(ctx)
    assert executions.get(bob, made.id).id == made.id
    refused: list[EtlError] = []
    for act in (executions.cancel, executions.retry):
        with pytest.raises(Denied) as raised:
            act(bob, made.id)
        refused.append(raised.value)
    assert len(refused) == 2
