"""What the list is made of, without a State: addresses, what stands around it, rows, sparklines, offers."""

import datetime as dt
from urllib.parse import parse_qsl, urlsplit

import pytest

from etl_engine.model.connection import TestRun, TestStatus
from etl_engine.services.connection_overview import Overview
from etl_engine.services.connections import Facets
from etl_engine.ui import offers
from etl_engine.ui.connections.address import NEWEST, ORDERS, PAGE_SIZE, View
from etl_engine.ui.connections.bar import bar_of
from etl_engine.ui.connections.sparkline import HEIGHT, WIDTH, sparkline
from etl_engine.ui.offers import Offer

TITLES = {"mysql": "MySQL / MariaDB", "postgresql": "PostgreSQL", "sqlite": "SQLite"}


@pytest.mark.parametrize(
    ("view", "address"),
    [
        (View(), "/"),
        (View(text="a b&c"), "/?q=a+b%26c"),
        (View(kinds=("mysql", "sqlite"), statuses=("failed",)), "/?type=mysql,sqlite&status=failed"),
        (View(sort="-name", table=True, page=3), "/?sort=-name&view=table&page=3"),
    ],
)
def test_a_view_and_its_address_are_the_same_thing(view: View, address: str) -> None:
    assert view.address(page=view.page) == address
    assert View.of(dict(parse_qsl(urlsplit(address).query))) == view


def test_every_order_that_can_be_chosen_is_one() -> None:
    for order in ORDERS:
        view = View.of({"sort": order})
        assert view.sort == order
        assert view.query().descending == order.startswith("-")


@pytest.mark.parametrize(
    "parameters",
    [{"page": "-1"}, {"page": "x"}, {"page": "1" * 9}, {"page": "²"}, {"sort": "password"}, {"status": "good"},
     {"type": "<b>"}, {"type": ",,"}, {"view": "cinema"}, {"unknown": "1"}],
)  # fmt: skip
def test_nonsense_in_an_address_is_left_out(parameters: dict[str, str]) -> None:
    assert View.of(parameters) == View()


def test_a_search_is_not_longer_than_anything_it_could_find() -> None:
    assert len(View.of({"q": "x" * 10_000}).text) == 200


def test_a_change_of_the_view_begins_at_its_first_page() -> None:
    view = View(text="a", page=4)
    assert view.with_kind("mysql") == "/?q=a&type=mysql"
    assert View(kinds=("mysql",)).with_kind("mysql") == "/"
    assert View(statuses=("failed",)).with_status("success") == "/?status=failed,success"


def test_the_query_asks_for_one_page() -> None:
    query = View(page=3, sort=NEWEST).query()
    assert (query.limit, query.offset, query.sort, query.descending) == (PAGE_SIZE, 2 * PAGE_SIZE, "updated_at", True)


def overview(matching: int, found: int = 0, total: int = 0, **statuses: int) -> Overview:
    found = found or matching
    facets = Facets(found, {"mysql": found - 1, "postgresql": 1}, statuses or {"success": found})
    return Overview([], matching, facets, total or found, TITLES)


def test_the_head_counts_what_there_is_and_how_it_is() -> None:
    bar = bar_of(View(), overview(3, success=1, failed=2))
    assert bar.subtitle == "3 connections · 1 connected, 2 failed"
    assert bar_of(View(text="x"), overview(3, total=1200)).subtitle == "3 of 1,200 connections found"


def test_chips_show_what_there_is_and_what_is_asked_for() -> None:
    bar = bar_of(View(kinds=("sqlite",)), overview(0, found=5, success=4, untested=1))
    assert [(chip.label, chip.count, chip.active) for chip in bar.kinds] == [
        ("MySQL", "4", False),
        ("PostgreSQL", "1", False),
        ("SQLite", "0", True),
    ]
    assert [chip.label for chip in bar.statuses] == ["Connected", "Untested"]
    assert bar.hidden == "5 connections are hidden by filters."
    assert bar_of(View(text="x"), overview(5, total=9)).hidden == ""  # a search hides nothing, it finds


def test_pages_are_the_first_the_last_and_those_nearby() -> None:
    bar = bar_of(View(page=9), overview(1000))
    assert [step.number for step in bar.pages] == [1, 0, 8, 9, 10, 0, 21]
    assert [step.current for step in bar.pages].count(True) == 1
    assert (bar.before, bar.after) == ("/?page=8", "/?page=10")
    assert bar_of(View(), overview(PAGE_SIZE)).pages == []
    last = bar_of(View(page=99), overview(1000))
    assert (last.before, last.after) == ("/?page=20", "")


def test_a_heading_turns_the_order_around() -> None:
    by_name = {column.title: column for column in bar_of(View(sort="name"), overview(3)).columns}
    assert (by_name["Name"].sorted, by_name["Name"].address) == ("ascending", "/?sort=-name")
    assert (by_name["Type"].sorted, by_name["Type"].address) == ("none", "/?sort=db_type")
    assert by_name["Host and database"].address == ""


AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def run(ms: float, good: bool = True) -> TestRun:
    return TestRun(at=AT, status=TestStatus.SUCCESS if good else TestStatus.FAILED, ms=ms)


def points(path: str) -> list[tuple[float, float]]:
    numbers = [float(text) for text in path.replace("M", " ").replace("L", " ").replace("h0", "").split()]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_a_sparkline_ends_at_the_right_edge_and_stays_in_its_box() -> None:
    drawn = points(sparkline([run(ms) for ms in (10, 80, 30, 5_000, 1)]).line)
    assert len(drawn) == 5
    assert drawn[-1][0] == WIDTH - 3
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in drawn)
    assert min(drawn, key=lambda point: point[1])[0] == drawn[3][0]  # the slowest is the highest


def test_failed_tests_are_dots_at_the_foot() -> None:
    spark = sparkline([run(10), run(5_000, good=False), run(12)])
    assert points(spark.fails) == [(pytest.approx(points(spark.line)[0][0] + 3.5, abs=0.2), HEIGHT - 3)]
    assert spark.words == "Last 3 tests: 1 failed, 10 ms to 12 ms"


def test_the_noise_of_a_quick_server_is_drawn_flat() -> None:
    heights = [y for _, y in points(sparkline([run(ms) for ms in (10, 10.4, 9.8, 10.1)]).line)]
    assert max(heights) - min(heights) < HEIGHT / 2


def test_one_test_is_a_dot_and_none_is_nothing() -> None:
    assert sparkline([run(7)]).line.endswith("h0")
    assert sparkline([run(7)]).words == "One test: all connected, 7 ms"
    assert sparkline([run(7, good=False)]).line == ""
    assert sparkline([]).words == ""


def test_an_offer_is_taken_once_and_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(offers.time, "monotonic", lambda: now)
    first, second = (offers.keep(Offer("Undo", lambda ctx: "done")) for _ in range(2))
    assert first != second and len(first) > 20
    assert offers.take(first) is not None
    assert offers.take(first) is None
    now += offers.SECONDS_GOOD
    assert offers.take(second) is None
    assert offers.take("guessed") is None


def test_offers_do_not_pile_up() -> None:
    handles = [offers.keep(Offer("Undo", lambda ctx: "done")) for _ in range(offers._MOST + 5)]
    assert len(offers._open) <= offers._MOST
    assert offers.take(handles[0]) is None
    assert offers.take(handles[-1]) is not None
