"""The States of the runs without a browser: what each event asks, shows and says."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from executing import scripted_blocks, submitted, worked
from tab import Tab

from etl_engine import wiring
from etl_engine.connectors.rows import Reject
from etl_engine.engine.block import Output, Work
from etl_engine.errors import BadInput
from etl_engine.model.execution import Counters, Execution, Level, Origin, Status, Subject, Trigger
from etl_engine.services import executions, run_listing
from etl_engine.services.context import Context
from etl_engine.settings import Settings
from etl_engine.ui.runs import words
from etl_engine.ui.runs.address import View, is_list, run_of
from etl_engine.ui.runs.listing import Runs
from etl_engine.ui.runs.state import Run

MISSING = "0" * 24


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    engine = wiring.Engine(Settings(data_dir=tmp_path))
    monkeypatch.setattr(wiring, "_engine", engine)
    yield engine.context()
    engine.close()


@pytest.fixture
def tab(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> Tab:
    return Tab(monkeypatch, Runs, Run)


@pytest.fixture
def runs(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Execution]]:
    """One of each end, and one that waits."""
    reject = Reject(7, "amount", "n/a", "is not a whole number", "")
    result = {"rejects": [{"row": reject.row, "column": "amount", "value": "n/a", "reason": reject.reason}]}

    def fails(work: Work) -> Output:
        work.note(Level.WARNING, Origin.SOURCE, "The table is not what it was")
        raise BadInput("There is no table invoices", hint="List the tables.")

    with scripted_blocks(monkeypatch, "good", "bad", "part") as blocks:
        blocks["good"].does = lambda work: Output(counters=Counters(read=1200, loaded=1200, bytes=9000))
        blocks["bad"].does = fails
        blocks["part"].does = lambda work: Output(counters=Counters(read=10, loaded=9, rejected=1), result=result)
        made = {}
        for name in ("good", "bad", "part"):
            made[name] = submitted(ctx, name)
            assert worked(ctx)
        made["waits"] = submitted(ctx, "good")
        yield {name: executions.get(ctx, one.id) for name, one in made.items()}


async def test_the_list_shows_every_run_newest_first_with_how_it_is(tab: Tab, runs: dict[str, Execution]) -> None:
    tab.url.path = "/runs"
    await tab.fire(Runs.load)
    state = tab[Runs]
    assert [row.id for row in state.rows] == [runs[name].id for name in ("waits", "part", "bad", "good")]
    assert [row.status for row in state.rows] == ["pending", "partial", "failed", "success"]
    assert state.bar.subtitle == "4 runs · 1 queued, 1 failed, 1 partly done, 1 succeeded"
    assert state.rows[2].cause == "There is no table invoices"
    assert (state.rows[3].read, state.rows[1].rejected) == ("1,200", "1")


async def test_filters_stand_in_the_address(tab: Tab, runs: dict[str, Execution]) -> None:
    tab.url.path = "/runs"
    tab.parameters.update(status="failed,nonsense", kind="nonsense", before="yesterday~x")
    await tab.fire(Runs.load)
    assert [row.id for row in tab[Runs].rows] == [runs["bad"].id]
    chips = {chip.key: chip for chip in tab[Runs].bar.statuses}
    assert chips["failed"].active
    assert chips["failed"].address == "/runs"
    assert chips["success"].address == "/runs?status=failed,success"
    tab.parameters.clear()
    tab.parameters.update(q="nothing like this")
    await tab.fire(Runs.load)
    assert (tab[Runs].rows, tab[Runs].bar.any) == ([], True)


async def test_older_runs_begin_where_a_page_ends(
    tab: Tab, runs: dict[str, Execution], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl_engine.ui.runs.address.PAGE_SIZE", 2)
    tab.url.path = "/runs"
    await tab.fire(Runs.load)
    older = tab[Runs].bar.older
    assert len(tab[Runs].rows) == 2
    assert older.startswith("/runs?before=")
    tab.parameters.update({name: values[0] for name, values in parse_qs(urlsplit(older).query).items()})
    await tab.fire(Runs.load)
    assert [row.id for row in tab[Runs].rows] == [runs["bad"].id, runs["good"].id]
    assert (tab[Runs].bar.newest, tab[Runs].bar.older) == ("/runs", "")


async def test_news_of_runs_are_asked_for_by_the_page_that_shows_them(tab: Tab, ctx: Context) -> None:
    tab.url.path = "/runs"
    await tab.fire(Runs.load)
    assert not tab[Runs].bar.any
    tab.url.path = "/"
    before = tab[Runs]._asked
    await tab.fire(Runs.refresh)
    assert tab[Runs]._asked == before
    tab.url.path = "/runs/"
    await tab.fire(Runs.refresh)
    assert tab[Runs]._asked == before + 1


async def test_a_run_is_told_in_one_sentence(tab: Tab, runs: dict[str, Execution]) -> None:
    said = {}
    for name, one in runs.items():
        tab.url.path = f"/runs/{one.id}/"
        await tab.fire(Run.load)
        assert tab[Run].loaded
        said[name] = tab[Run].run.sentence
    assert said["good"].startswith("Moved 1,200 rows in ")
    assert said["part"].startswith("Moved 9 rows in ")
    assert said["part"].endswith("; 1 row was set aside.")
    assert said["bad"].startswith("Failed after ")
    assert said["bad"].endswith(": There is no table invoices.")
    assert said["waits"] == "It waits for a worker."


async def test_what_was_set_aside_stands_with_row_column_value_and_reason(tab: Tab, runs: dict[str, Execution]) -> None:
    tab.url.path = f"/runs/{runs['part'].id}"
    await tab.fire(Run.load)
    [kept] = tab[Run].run.kept
    assert (kept.row, kept.column, kept.value, kept.reason) == ("7", "amount", "n/a", "is not a whole number")
    assert tab[Run].run.kept_note.startswith("All of them")
    assert not tab[Run].run.can_retry, "nothing was broken off"


async def test_an_error_says_its_cause_and_what_to_do(tab: Tab, runs: dict[str, Execution]) -> None:
    tab.url.path = f"/runs/{runs['bad'].id}"
    await tab.fire(Run.load)
    run = tab[Run].run
    assert (run.error, run.hint, run.code) == ("There is no table invoices", "List the tables.", "bad-input")
    assert (run.can_retry, run.can_cancel, run.live) == (True, False, False)
    assert [bar.status for bar in run.bars] == ["failed"]
    assert run.log_lines > 0


async def test_a_run_that_could_not_be_begun_says_so_and_offers_no_retry(tab: Tab, ctx: Context) -> None:
    error = BadInput("The mapping Orders cannot run", hint="Map a column.")
    refused = executions.refused(ctx, Subject(kind="mapping", name="Orders"), error, trigger=Trigger(), key="once")
    tab.url.path = f"/runs/{refused.id}"
    await tab.fire(Run.load)
    run = tab[Run].run
    assert (run.sentence, run.hint) == ("Not begun: The mapping Orders cannot run.", "Map a column.")
    assert (run.can_retry, run.can_cancel, run.live, run.bars, run.log_lines) == (False, False, False, [], 0)


async def test_a_retry_is_a_new_run_and_the_page_goes_there(tab: Tab, ctx: Context, runs: dict[str, Execution]) -> None:
    tab.url.path = f"/runs/{runs['bad'].id}"
    await tab.fire(Run.load)
    [sent] = await tab.fire(Run.retry)
    [made] = [one for one in executions.list_(ctx, executions.Query()).items if one.retry_of_id]
    assert f"/runs/{made.id}" in str(sent)
    tab.url.path = f"/runs/{runs['good'].id}"
    await tab.fire(Run.load)
    assert await tab.fire(Run.retry) == []
    assert "ended well" in tab.toast.title


async def test_a_run_that_waits_is_cancelled_at_once(tab: Tab, ctx: Context, runs: dict[str, Execution]) -> None:
    tab.url.path = f"/runs/{runs['waits'].id}"
    await tab.fire(Run.load)
    assert tab[Run].run.can_cancel
    await tab.follow(Run.cancel)
    assert executions.get(ctx, runs["waits"].id).status is Status.CANCELLED
    assert tab[Run].run.sentence.startswith("Cancelled by anonymous")
    assert not tab[Run].run.live


async def test_an_address_without_a_run_says_so(tab: Tab, runs: dict[str, Execution]) -> None:
    for path in (f"/runs/{MISSING}", "/runs/nonsense"):
        tab.url.path = path
        await tab.fire(Run.load)
        assert tab[Run].missing, path
    tab.url.path = f"/runs/{runs['good'].id}"
    await tab.fire(Run.load)
    assert not tab[Run].missing


async def test_a_run_that_has_ended_is_not_read_again(
    tab: Tab, ctx: Context, runs: dict[str, Execution], monkeypatch: pytest.MonkeyPatch
) -> None:
    tab.url.path = f"/runs/{runs['good'].id}"
    await tab.fire(Run.load)
    asked: list[str] = []
    get = executions.get
    monkeypatch.setattr(executions, "get", lambda ctx, name: (asked.append(name), get(ctx, name))[1])
    await tab.fire(Run.refresh)
    assert asked == []
    tab.url.path = f"/runs/{runs['waits'].id}"
    await tab.fire(Run.load)
    await tab.fire(Run.refresh)
    assert asked == [runs["waits"].id] * 2


def test_a_run_that_moves_leaves_traces(ctx: Context, runs: dict[str, Execution]) -> None:
    before, busy = run_listing.traces(ctx)
    assert busy
    executions.cancel(ctx, runs["waits"].id)
    after, busy = run_listing.traces(ctx)
    assert after != before
    assert not busy
    assert run_listing.traces(ctx) == (after, False)


def test_a_lost_run_says_that_it_goes_on(runs: dict[str, Execution]) -> None:
    now = dt.datetime.now(dt.UTC)
    lost = runs["good"].model_copy(update={"status": Status.LOST, "lost": 1})
    assert "taken up again" in words.sentence(lost, now)
    again = lost.model_copy(update={"status": Status.PENDING, "epoch": 2})
    assert "lost 1 time" in words.sentence(again, now)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.038, "38 ms"), (4.24, "4.2 s"), (192, "3 m 12 s"), (7_500, "2 h 5 m"), (200_000, "2 d 7 h"), (-1, "<1 ms")],
)
def test_a_span_is_said_in_two_units_at_most(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0"), (9_999, "9,999"), (48_200, "48.2 k"), (1_204_118, "1.2 M"), (212e6, "212 M")]
)
def test_a_number_is_said_in_few_characters(number: float, said: str) -> None:
    assert words.short(number) == said


def test_an_address_is_read_as_it_was_written() -> None:
    at = dt.datetime(2026, 3, 29, 2, 30, tzinfo=dt.UTC)
    view = View("or", (Status.FAILED,), ("copy",), "a" * 24, "b" * 24, executions.Position(at, "c" * 24))
    query = parse_qs(urlsplit(view.address(after=view.after)).query)
    assert View.of({name: values[0] for name, values in query.items()}) == view
    assert (run_of(f"/runs/{'a' * 24}/"), run_of("/runs/new"), is_list("/runs/")) == ("a" * 24, "", True)
