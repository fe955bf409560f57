"""The log of an execution: lines in segments, paged, filtered, searched, masked, forgotten in time."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from executing import scripted_blocks, submitted
from scripted_kind import opened_context

from etl_engine.errors import NotFound, StoreUnavailable
from etl_engine.masking import hide
from etl_engine.model.collections import LOG_SEGMENTS
from etl_engine.model.execution import Execution, Level, LogLine, Origin, Status
from etl_engine.services import execution_claims, execution_logs, executions
from etl_engine.services.context import Context
from etl_engine.services.execution_logs import RunLog, Search
from etl_engine.store.contract import Document


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def running(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> Iterator[Document]:
    with scripted_blocks(monkeypatch, "one"):
        submitted(ctx)
        held = execution_claims.claim(ctx, "worker")
        assert held
        yield held


def written(ctx: Context, held: Document, count: int) -> RunLog:
    log = RunLog(ctx, held)
    for number in range(1, count + 1):
        level = Level.ERROR if number % 100 == 0 else Level.WARNING if number % 10 == 0 else Level.INFO
        log.write(level, Origin.TARGET if number % 2 else Origin.SOURCE, f"Line {number} of the TALE", "one")
    log.flush()
    return log


def seqs(lines: list[LogLine]) -> list[int]:
    return [line.seq for line in lines]


def test_pages_forwards_show_every_line_once_in_order(ctx: Context, running: Document) -> None:
    written(ctx, running, 1234)
    seen: list[int] = []
    more = True
    while more:
        page = execution_logs.page(ctx, running["_id"], Search(after=seen[-1] if seen else 0, limit=100))
        seen += seqs(page.items)
        more = page.more
    assert seen == list(range(1, 1235))
    assert page.last == 1234
    assert not page.ended


def test_pages_backwards_end_at_the_first_line(ctx: Context, running: Document) -> None:
    written(ctx, running, 777)
    before, seen, more = 2**40, list[int](), True
    while more:
        page = execution_logs.page(ctx, running["_id"], Search(before=before, limit=250))
        seen = seqs(page.items) + seen
        before, more = page.items[0].seq, page.more
    assert seen == list(range(1, 778))


def test_lines_are_found_by_level_origin_and_text(ctx: Context, running: Document) -> None:
    written(ctx, running, 1200)

    def found(**search: Any) -> list[int]:
        return seqs(execution_logs.page(ctx, running["_id"], Search(limit=5000, **search)).items)

    assert found(level=Level.ERROR) == list(range(100, 1201, 100))
    assert found(level=Level.WARNING) == list(range(10, 1201, 10))
    assert found(origins=(Origin.SOURCE,)) == list(range(2, 1201, 2))
    assert found(text="line 777 of the tale") == [777]
    assert found(text="line 777 of the tale", origins=(Origin.SOURCE,)) == []
    assert found(text="nothing like it") == []
    assert found(text="%") == []


def test_lines_are_in_segments_and_not_in_a_document_each(ctx: Context, running: Document) -> None:
    written(ctx, running, 1234)
    assert ctx.store.count(LOG_SEGMENTS.name) == 3


def test_a_secret_is_masked_and_a_line_stays_one_line(ctx: Context, running: Document) -> None:
    hide("correct horse battery")
    log = RunLog(ctx, running)
    log.write(Level.INFO, Origin.SOURCE, "password is correct horse battery\nand \x1b[31mred\0")
    log.write(Level.INFO, Origin.SOURCE, " ".join(map(str, range(20_000))))
    log.flush()
    first, long = execution_logs.page(ctx, running["_id"], Search()).items
    assert "correct horse" not in first.message
    assert not {"\n", "\x1b", "\0"} & set(first.message)
    assert len(long.message) == execution_logs.LONGEST_LINE
    assert "correct horse" not in str(ctx.store.find(LOG_SEGMENTS.name))


def test_lines_of_an_attempt_that_was_lost_are_thrown_away(ctx: Context, running: Document) -> None:
    log = written(ctx, running, 3)
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)):
        assert execution_claims.reap(ctx)
        second = execution_claims.claim(ctx, "second")
    assert second
    log.write(Level.INFO, Origin.ENGINE, "from the grave")
    log.flush()
    other = RunLog(ctx, second)
    other.write(Level.INFO, Origin.ENGINE, "alive")
    other.flush()
    lines = execution_logs.page(ctx, running["_id"], Search()).items
    assert [line.message for line in lines][-2:] == ["Line 3 of the TALE", "alive"]
    assert seqs(lines) == [1, 2, 3, 4]


def test_a_store_that_is_away_loses_no_line(ctx: Context, running: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RunLog(ctx, running)

    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(type(ctx.store), "update", away)
        for number in range(1200):
            log.write(Level.INFO, Origin.ENGINE, str(number))
        log.flush()
    with monkeypatch.context() as patch:
        patch.setattr(type(ctx.store), "insert", away)
        log.flush()  # the numbers are taken, and the lines did not arrive
    log.flush()
    lines = execution_logs.page(ctx, running["_id"], Search(limit=5000)).items
    assert [line.message for line in lines] == [str(number) for number in range(1200)]
    assert seqs(lines) == sorted(set(seqs(lines)))


def test_what_cannot_be_kept_for_a_store_that_is_away_is_counted(
    ctx: Context, running: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution_logs, "_MOST_WAITING", 10)
    log = RunLog(ctx, running)
    for number in range(25):
        log.write(Level.INFO, Origin.ENGINE, str(number))
    log.flush()
    lines = [line.message for line in execution_logs.page(ctx, running["_id"], Search()).items]
    assert lines == [
        "15 lines were lost while the store could not be reached",
        *(str(number) for number in range(15, 25)),
    ]


def test_old_lines_are_deleted_and_young_ones_stay(ctx: Context, running: Document) -> None:
    with time_machine.travel(dt.datetime.now(dt.UTC) - dt.timedelta(days=40)):
        written(ctx, running, 600)
    log = RunLog(ctx, running)
    log.write(Level.INFO, Origin.ENGINE, "today")
    log.flush()
    assert execution_logs.purge(ctx, 30) == 2
    assert [line.message for line in execution_logs.page(ctx, running["_id"], Search()).items] == ["today"]
    assert execution_logs.purge(ctx, 30) == 0


def test_a_log_that_has_ended_says_so(ctx: Context, running: Document) -> None:
    made: Execution = executions.get(ctx, running["_id"])
    execution_claims.end(ctx, running, Status.SUCCESS, counters=made.counters)
    assert execution_logs.page(ctx, running["_id"], Search()).ended


def test_the_log_of_nothing_is_not_found(ctx: Context) -> None:
    with pytest.raises(NotFound):
        execution_logs.page(ctx, "0" * 24, Search())
