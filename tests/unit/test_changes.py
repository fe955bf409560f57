"""The feed of changes: every finished change once, whoever made it."""

import datetime as dt
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from scripted_kind import Script, at_once, draft, failed, opened_context, registered

from etl_engine.errors import BadInput, Conflict, Denied
from etl_engine.model.collections import ALL, AUDIT
from etl_engine.services import audit, changes, connection_tests, connections
from etl_engine.services.changes import Change, ChangeFeed
from etl_engine.services.context import Actor, Context
from etl_engine.services.keyring import Keyring
from etl_engine.store.sql import SqlStore

NOON = dt.datetime(2031, 5, 6, 12, tzinfo=dt.UTC)


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def feed(ctx: Context) -> ChangeFeed:
    """A feed that has begun."""
    feed = ChangeFeed()
    assert feed.poll(ctx) == []
    return feed


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    with registered(monkeypatch) as script:
        yield script


def change(ctx: Context, name: str = "x") -> None:
    with audit.recorded(ctx, "thing:change", name, name):
        pass


def subjects(found: list[Change]) -> list[str]:
    return [one.subject_id for one in found]


def test_every_change_of_a_connection_is_reported_once_in_order(ctx: Context, feed: ChangeFeed, script: Script) -> None:
    made = connections.create(ctx, draft())
    connections.update(ctx, made.id, {"host": "h"})
    connection_tests.test_saved(ctx, made.id)
    undo = connections.delete(ctx, made.id)
    connections.restore(ctx, undo)
    found = feed.poll(ctx)
    assert [one.action.partition(":")[2] for one in found] == ["create", "update", "test", "delete", "restore"]
    assert {(one.kind, one.subject_id) for one in found} == {("connection", made.id)}
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert feed.poll(ctx) == []


def test_what_was_before_the_feed_is_not_reported(ctx: Context) -> None:
    change(ctx, "before")
    feed = ChangeFeed()
    assert feed.poll(ctx) == []
    change(ctx, "after")
    assert subjects(feed.poll(ctx)) == ["after"]


def test_a_change_that_failed_changed_nothing(ctx: Context, feed: ChangeFeed, script: Script) -> None:
    connections.create(ctx, draft())
    with pytest.raises(Conflict):
        connections.create(ctx, draft())
    with pytest.raises(BadInput), audit.recorded(ctx, "thing:change", "x", "x"):
        raise BadInput
    assert [one.action for one in feed.poll(ctx)] == ["connection:create"]


def test_a_failed_test_is_news_too(ctx: Context, feed: ChangeFeed, script: Script) -> None:
    made = connections.create(ctx, draft())
    script.check = lambda config: failed()
    connection_tests.test_saved(ctx, made.id)
    assert [one.action for one in feed.poll(ctx)] == ["connection:create", "connection:test"]


def test_a_change_is_reported_when_it_ends_however_long_ago_it_began(ctx: Context, feed: ChangeFeed) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        with audit.recorded(ctx, "thing:change", "slow", "slow"):
            clock.shift(3600)
            change(ctx, "quick")
            assert subjects(feed.poll(ctx)) == ["quick"]
            clock.shift(3600)
            assert feed.poll(ctx) == []
        assert subjects(feed.poll(ctx)) == ["slow"]


def test_an_outcome_that_becomes_visible_after_a_later_one_is_reported(ctx: Context, feed: ChangeFeed) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        feed.poll(ctx)
        change(ctx, "first")
        (entry,) = ctx.store.find(AUDIT.name, {"subject_id": "first"})
        ctx.store.delete(AUDIT.name, {"_id": entry["_id"]})  # its write is under way
        clock.shift(5)
        change(ctx, "second")
        assert subjects(feed.poll(ctx)) == ["second"]
        ctx.store.insert(AUDIT.name, entry)
        assert subjects(feed.poll(ctx)) == ["first"]
        assert feed.poll(ctx) == []


def test_a_clock_that_is_set_back_loses_and_repeats_nothing(ctx: Context, feed: ChangeFeed) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        feed.poll(ctx)
        change(ctx, "before")
        assert subjects(feed.poll(ctx)) == ["before"]
        clock.shift(-3600)
        change(ctx, "after")
        assert subjects(feed.poll(ctx)) == ["after"]
        clock.shift(60)
        change(ctx, "later")
        assert subjects(feed.poll(ctx)) == ["later"]


def test_a_rest_of_an_hour_between_two_polls_loses_nothing(ctx: Context, feed: ChangeFeed) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        feed.poll(ctx)
        for number in range(6):
            change(ctx, str(number))
            clock.shift(600)
        assert subjects(feed.poll(ctx)) == list("012345")


def test_two_feeds_both_hear_everything(ctx: Context, feed: ChangeFeed) -> None:
    other = ChangeFeed()
    other.poll(ctx)
    change(ctx, "a")
    assert subjects(feed.poll(ctx)) == ["a"]
    change(ctx, "b")
    assert subjects(feed.poll(ctx)) == ["b"]
    assert subjects(other.poll(ctx)) == ["a", "b"]


def test_changes_of_four_threads_are_each_reported_exactly_once(ctx: Context, feed: ChangeFeed) -> None:
    heard: list[str] = []
    done = threading.Event()

    def listen() -> None:
        while not done.is_set():
            heard.extend(subjects(feed.poll(ctx)))
        heard.extend(subjects(feed.poll(ctx)))

    listener = threading.Thread(target=listen)
    listener.start()
    answers = at_once(4, lambda thread: [change(ctx, f"{thread}-{number}") for number in range(50)])
    done.set()
    listener.join(30)
    assert not any(isinstance(answer, Exception) for answer in answers)
    assert sorted(heard) == sorted(f"{thread}-{number}" for thread in range(4) for number in range(50))


OTHER_PROCESS = """
import sys
from etl_engine.services import connections
from etl_engine.services.connection_documents import as_config
from etl_engine import wiring
draft = {"name": "Made elsewhere", "db_type": "sqlite", "database": "shop.db"}
print(connections.create(wiring.context(), as_config(draft)).id)
"""


def test_a_change_of_another_process_is_heard_within_a_second(tmp_path: Path) -> None:
    with SqlStoreIn(tmp_path) as ctx:
        feed = ChangeFeed()
        feed.poll(ctx)
        heard: list[tuple[float, Change]] = []
        gone = threading.Event()

        def listen() -> None:
            while not gone.wait(0.2):
                heard.extend((time.time(), one) for one in feed.poll(ctx))
            heard.extend((time.time(), one) for one in feed.poll(ctx))

        listener = threading.Thread(target=listen)
        listener.start()
        made = subprocess.run(
            [sys.executable, "-c", OTHER_PROCESS],
            env={"DATA_DIR": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.strip()
        gone.set()
        listener.join(10)
        ((when, change),) = heard
        assert (change.action, change.subject_id) == ("connection:create", made)
        assert when - change.at.timestamp() < 1.0


class SqlStoreIn:
    """The embedded store of a data folder, as the product itself would have made it."""

    def __init__(self, folder: Path) -> None:
        self._store = SqlStore(f"sqlite:///{folder}/etl_engine.db")

    def __enter__(self) -> Context:
        self._store.open(ALL)
        return Context(self._store, Keyring(self._store, ()))

    def __exit__(self, *_: Any) -> None:
        self._store.close()


def test_an_idle_poll_is_one_look_at_an_index(ctx: Context, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        change(ctx, str(number))
    statements: list[str] = []
    parameters: list[Any] = []

    def seen(connection: Any, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            statements.append(statement)
            parameters.append(values)

    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)):
        feed.poll(ctx)
        sa.event.listen(sa.Engine, "before_cursor_execute", seen)
        try:
            assert feed.poll(ctx) == []
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", seen)
    assert len(statements) == 1
    engine = sa.create_engine(f"sqlite:///{ctx.store._url.database}")  # type: ignore[attr-defined]
    with engine.connect() as connection:
        plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statements[0], parameters[0]).all()
    engine.dispose()
    assert "SEARCH audit USING INDEX audit_done_at_idx (done_at>?)" in str(plan)


def test_memory_is_given_back_when_the_rush_is_over(
    ctx: Context, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        feed.poll(ctx)
        for number in range(30):
            change(ctx, str(number))
        assert len(feed.poll(ctx)) == 30
        assert len(feed._reported) == 30
        clock.shift(11)
        feed.poll(ctx)  # reads from ten seconds before the last poll
        clock.shift(11)
        feed.poll(ctx)
        assert len(feed._reported) == 0


def test_more_than_a_page_is_read_in_pages(ctx: Context, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "_PAGE", 7)
    with time_machine.travel(NOON, tick=False):
        feed.poll(ctx)
        for number in range(30):
            change(ctx, str(number))
        assert subjects(feed.poll(ctx)) == [str(number) for number in range(30)]
        assert feed.poll(ctx) == []


def test_the_feed_needs_a_right(ctx: Context) -> None:
    with pytest.raises(Denied, match="change:read"):
        ChangeFeed().poll(ctx.for_request("", Actor("bob", frozenset({"connection:*"}))))
