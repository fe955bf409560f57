"""What every kind that reads, writes or explores promises; today these are PostgreSQL's sessions."""

import threading
from typing import Any

import pytest
from copying import Pair, eventually

from etl_engine.connectors import registry
from etl_engine.connectors.rows import (
    ARROW,
    TEXT_BATCHES,
    Explores,
    Look,
    Place,
    Reads,
    Rows,
    Selection,
    Source,
    Writes,
)
from etl_engine.errors import BadInput, EtlError, Missing, Unreachable
from etl_engine.model.table import Family

CAPABLE = {"mysql", "postgresql", "sqlite"}  # the kinds this suite runs for


@pytest.fixture
def shop(pair: Pair) -> Pair:
    pair.s(
        "CREATE SCHEMA more",
        "CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric(9,2), note text, UNIQUE (note))",
        "INSERT INTO orders SELECT g, g / 7.0, 'n' || g FROM generate_series(1, 1000) g",
        "CREATE VIEW more.seen AS SELECT * FROM orders WHERE id < 5",
        "ANALYZE orders",
    )
    return pair


@pytest.fixture
def source(shop: Pair) -> Any:
    opened = shop.connector(shop.source).open_source()
    yield opened
    opened.close()


def drained(rows: Rows) -> bytes:
    parts = bytearray()
    while block := rows.read(4096):
        parts += block
    return bytes(parts)


def test_the_kinds_with_a_data_plane_are_those_under_test() -> None:
    found = {
        name
        for name, kind in registry.all_kinds().items()
        if any(issubclass(one, Reads | Writes | Explores) for one in type(_made(kind)).__mro__)
    }
    assert found == CAPABLE


def _made(kind: Any) -> Any:
    values = {"host": "127.0.0.1", "username": "u", "password": "p"} if "host" in kind.config.model_fields else {}
    from etl_engine.connectors.contract import Surroundings

    config = kind.config.model_validate({"name": "x", "db_type": kind.name, "database": "d", **values})
    return kind.make(config, Surroundings())


def test_a_table_is_described_exactly(source: Source) -> None:
    table = source.describe(Selection("orders"))
    assert [(c.name, c.native, c.nullable, c.type.family) for c in table.columns] == [
        ("id", "bigint", False, Family.INTEGER),
        ("amount", "numeric(9,2)", True, Family.DECIMAL),
        ("note", "text", True, Family.TEXT),
    ]
    assert (table.key, table.unique, table.rows, table.kind) == (("id",), (), 1000, "table")
    assert table.incarnation
    assert source.describe(Selection("orders", columns=("note", "id"))).names == ("note", "id")
    assert source.describe(Selection("more.seen")).kind == "view"


def test_rows_come_to_the_end_with_their_count_and_checksum(source: Source) -> None:
    selection = Selection("orders")
    table = source.describe(selection)
    source.begin(selection)
    sums = set()
    for form in source.forms(table):
        rows = source.read(selection, table, form)
        if form == ARROW or form.endswith(TEXT_BATCHES):
            size = sum(batch.nbytes for batch in rows.batches())
        else:
            size = len(drained(rows))
        totals = rows.finish()
        assert (totals.rows, totals.bytes, rows.bytes_read) == (1000, size, size)
        rows.check()
        sums.add(totals.checksum)
        rows.close()
        rows.close()
    assert len(sums) == len(source.forms(table))


def test_all_reads_of_one_snapshot_see_the_same_rows(source: Source, shop: Pair) -> None:
    selection = Selection("orders")
    table = source.describe(selection)
    source.begin(selection)
    shop.s("DELETE FROM orders WHERE id > 10")
    assert source.fingerprint(selection, table.columns, each=False).rows == 1000
    total = 0
    for piece in source.pieces(table, 300):
        rows = source.read(Selection("orders", piece=piece), table, source.forms(table)[0])
        drained(rows)
        total += rows.finish().rows
    assert total == 1000
    source.end()
    source.begin(selection)
    assert source.fingerprint(selection, table.columns, each=False).rows == 10


def test_a_read_that_is_given_up_ends_at_once_and_the_session_goes_on(source: Source) -> None:
    endless = Selection(query="SELECT g, repeat('x', 1000) AS t FROM generate_series(1, 100000000) g")
    table = source.describe(endless)
    source.begin(endless)
    rows = source.read(endless, table, source.forms(table)[0])
    assert rows.read(1000)
    rows.close()
    source.end()
    assert source.describe(Selection("orders")).rows == 1000
    assert not [thread for thread in threading.enumerate() if thread.name == "copy out"]


def test_a_session_that_is_gone_is_unreachable_and_not_the_end_of_the_table(source: Source, shop: Pair) -> None:
    # A megabyte is collected before any of it goes on: rows of some size come soon.
    slow = Selection(query="SELECT pg_sleep(0.001)::text || repeat('x', 9000) AS s FROM generate_series(1, 100000) g")
    table = source.describe(slow)
    source.begin(slow)
    rows = source.read(slow, table, source.forms(table)[0])
    assert rows.read(10)
    shop.sql(
        "postgres",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{shop.source}'",
    )
    with pytest.raises(Unreachable):
        drained(rows)
    with pytest.raises(Unreachable):
        rows.finish()
    rows.close()


def test_what_is_wrong_with_a_selection_is_said(source: Source) -> None:
    wrong: list[tuple[Selection, type[EtlError]]] = [
        (Selection("nowhere"), Missing),
        (Selection("orders", columns=("no",)), Missing),
        (Selection("a.b.c.d"), BadInput),
        (Selection("x" * 100), BadInput),
        (Selection('"open'), BadInput),
        (Selection(query="SELECT 1; SELECT 2"), BadInput),
    ]
    for selection, error in wrong:
        with pytest.raises(error) as raised:
            source.describe(selection)
        assert raised.value.hint
    with pytest.raises(BadInput):
        source.begin(Selection("orders", look=Look("no")))
    source.end()


def test_two_roads_to_one_database_have_one_identity(source: Source, shop: Pair) -> None:
    other = shop.connector(shop.target).open_destination()
    same = shop.connector(shop.source).open_destination()
    assert source.identity == same.identity != other.identity
    other.close()
    same.close()


def test_a_unit_that_is_not_committed_was_never_there(source: Source, shop: Pair) -> None:
    destination = shop.connector(shop.target).open_destination()
    selection = Selection("orders")
    table = source.describe(selection)
    name, existing = destination.resolve("orders")
    assert existing is None
    claim = destination.claim(name, "s", "t", fresh=False, take_over=False)
    for place in (Place.TARGET, Place.STAGE, Place.SUCCESSOR):
        unit = destination.unit(claim, name)
        unit.create(place, table.columns)
        source.begin(selection)
        form = next(one for one in source.forms(table) if one in destination.forms(table))
        rows = source.read(selection, table, form)
        assert unit.load(rows, place, table.names) == rows.finish().rows == 1000
        source.end()
        unit.rollback()
        assert destination.resolve("orders")[1] is None
        shop.tidy()
    destination.close()


def test_stopping_a_session_ends_what_it_waits_for(source: Source) -> None:
    began, ended = threading.Event(), []

    def wait() -> None:
        began.set()
        try:
            source.describe(Selection(query="SELECT 1 AS a FROM pg_sleep(60)"))
            source.begin(Selection(query="SELECT 1 AS a"))
            source.fingerprint(Selection(query="SELECT pg_sleep(60)::text AS a"), (), each=False)
        except EtlError as error:
            ended.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    assert began.wait(5)
    until = threading.Timer(0.5, source.stop)
    until.start()
    eventually(lambda: bool(ended) or not thread.is_alive(), "the end of the wait", 30)
    thread.join(10)
    assert not thread.is_alive()


def test_looking_around(shop: Pair) -> None:
    explorer = shop.connector(shop.source).explore()
    assert explorer.schemas() == ["more", "public"]
    found = {str(table.name): (table.kind, table.rows) for table in explorer.tables()}
    assert found == {"public.orders": ("table", 1000), "more.seen": ("view", None)}
    assert [str(table.name) for table in explorer.tables("more")] == ["more.seen"]
    assert explorer.describe("orders").key == ("id",)
    assert explorer.sample("orders", 2) == [["1", "0.14", "n1"], ["2", "0.29", "n2"]]
    with pytest.raises(Missing, match=r"did you mean public\.orders"):
        explorer.sample("order", 1)
    explorer.close()
