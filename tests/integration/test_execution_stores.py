"""Executions on the other metadata stores: one story of claims, log, events and notices on each of them."""

import datetime as dt
import os
from collections.abc import Iterator
from typing import Any

import mongomock
import pytest
import time_machine
from executing import Scripted, scripted_blocks, states, submitted, worked
from scripted_kind import at_once
from store_servers import TEST_MONGO_URI, new_database

from etl_engine.engine.block import Output, Work
from etl_engine.errors import BadInput
from etl_engine.model.collections import ALL
from etl_engine.model.execution import Counters, Level, Origin, Status
from etl_engine.notify.contract import Notice
from etl_engine.sealing import new_key
from etl_engine.services import events, execution_claims, execution_logs, executions, notices
from etl_engine.services.context import Context
from etl_engine.services.execution_logs import Search
from etl_engine.services.executions import Query
from etl_engine.services.keyring import Keyring
from etl_engine.store.ids import new_id
from etl_engine.store.mongo import MongoStore
from etl_engine.store.sql import SqlStore

BACKENDS = ["postgresql", "mongomock", *(["mongodb"] if TEST_MONGO_URI else [])]  # nx-27017 answers times as text


@pytest.fixture(params=BACKENDS)
def ctx(request: pytest.FixtureRequest) -> Iterator[Context]:
    if request.param == "postgresql":
        yield from opened(SqlStore(new_database(request.getfixturevalue("postgres_server"))))
    elif request.param == "mongomock":  # which has no clock of its own
        client: Any = mongomock.MongoClient
        yield from opened(MongoStore("mongodb://localhost", "etl_runs", client_class=client, clock=_now))
    else:
        yield from opened(MongoStore(TEST_MONGO_URI, f"etl_runs_{os.getpid()}_{new_id()}"))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def opened(store: Any) -> Iterator[Context]:
    store.open(ALL)
    yield Context(store, Keyring(store, (new_key(),)))
    store.close()


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Scripted]]:
    with scripted_blocks(monkeypatch, "one") as made:
        yield made


def test_each_execution_is_given_once_however_many_ask(ctx: Context, blocks: dict[str, Scripted]) -> None:
    ids = [submitted(ctx).id for _ in range(8)]
    if getattr(ctx.store, "_client_class", None) is mongomock.MongoClient:
        pytest.skip("mongomock finds and changes in two steps; TEST_MONGO_URI runs this on a real server")
    claimed = at_once(12, lambda number: execution_claims.claim(ctx, f"worker {number}"))
    assert not [one for one in claimed if isinstance(one, Exception)]
    assert sorted(one["_id"] for one in claimed if one) == sorted(ids)


def test_an_execution_from_its_order_to_its_end(ctx: Context, blocks: dict[str, Scripted]) -> None:
    def does(work: Work) -> Output:
        for number in range(700):
            work.note(Level.WARNING if number == 600 else Level.INFO, Origin.SOURCE, f"Row {number}")
        work.keep({"run_id": "r"})
        return Output(counters=Counters(read=7, loaded=7), metadata={"type": "DB_TABLE"}, result={"rows": 7})

    blocks["one"].does = does
    made = submitted(ctx, key="once")
    assert submitted(ctx, key="once").id == made.id
    assert worked(ctx)
    now = executions.get(ctx, made.id)
    assert (now.status, now.counters.loaded, now.result) == (Status.SUCCESS, 7, {"rows": 7})
    [task] = executions.tasks(ctx, made.id)
    assert (task.status, task.output_metadata) == (Status.SUCCESS, {"type": "DB_TABLE"})
    page = execution_logs.page(ctx, made.id, Search(after=690, limit=100))
    assert [line.seq for line in page.items] == list(range(691, 703))
    assert [line.message for line in execution_logs.page(ctx, made.id, Search(level=Level.WARNING)).items] == [
        "Row 600"
    ]
    found = execution_logs.page(ctx, made.id, Search(text="ROW 69", origins=(Origin.SOURCE,))).items
    assert [line.message for line in found] == ["Row 69", *(f"Row {number}" for number in range(690, 700))]
    assert [one.type for one in events.since(ctx) if one.type.startswith("execution")] == [
        "execution.pending",
        "execution.running",
        "execution.success",
    ]
    listed = executions.list_(ctx, Query(statuses=(Status.SUCCESS,), text="A TEST"))
    assert [one.id for one in listed.items] == [made.id]


def test_a_lost_one_is_taken_up_and_the_old_attempt_is_shut_out(ctx: Context, blocks: dict[str, Scripted]) -> None:
    made = submitted(ctx)
    old = execution_claims.claim(ctx, "dies")
    assert old
    clock = ctx.store._clock if hasattr(ctx.store, "_clock") else None
    try:
        later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=20)
        ctx.store._clock = lambda: later  # type: ignore[attr-defined]
        assert execution_claims.reap(ctx) == [made.id]
    finally:
        ctx.store._clock = clock  # type: ignore[attr-defined]
    assert worked(ctx, "second")
    assert execution_claims.beat(ctx, old, Counters(), executions.get(ctx, made.id).movement) is None
    assert execution_claims.end(ctx, old, Status.FAILED, counters=Counters()) is None
    now = executions.get(ctx, made.id)
    assert states(now) == ["pending@1", "running@1", "lost@1", "pending@2", "running@2", "success@2"]


def test_a_failure_is_told_once(ctx: Context, blocks: dict[str, Scripted]) -> None:
    def does(_: Work) -> Output:
        raise BadInput("no")

    sent: list[str] = []

    class Keeps:
        def send(self, notice: Notice) -> None:
            sent.append(notice.type)

    blocks["one"].does = does
    submitted(ctx)
    worked(ctx)
    at_once(3, lambda _: notices.News().decide(ctx))
    at_once(3, lambda _: notices.deliver(ctx, Keeps()))
    assert sent == ["execution.failed"]


def test_old_lines_are_deleted(ctx: Context, blocks: dict[str, Scripted]) -> None:
    with time_machine.travel(dt.datetime.now(dt.UTC) - dt.timedelta(days=40), tick=False):
        made = submitted(ctx)
        worked(ctx)
    assert execution_logs.page(ctx, made.id, Search()).items
    assert execution_logs.purge(ctx, 30) == 1
    assert execution_logs.page(ctx, made.id, Search()).items == []
