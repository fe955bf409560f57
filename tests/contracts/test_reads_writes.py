"""What every kind that reads, writes or explores promises; the shops of the kinds stand in `shops.py`."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from copying import eventually
from shops import GAPS, DuckdbShop, MysqlShop, PostgresShop, Shop, SqliteShop

from etl_engine.connectors import registry
from etl_engine.connectors.rows import (
    ARROW,
    TEXT_BLOCKS,
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

CAPABLE = {"duckdb", "files", "lake", "mysql", "postgresql", "s3", "sqlite"}  # the kinds this suite runs for


@pytest.fixture(params=["duckdb", "mysql", "postgresql", "sqlite"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    kind = request.param
    if reason := GAPS.get(kind, {}).get(request.node.originalname):
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    made: Shop
    if kind in ("duckdb", "sqlite"):
        made = {"duckdb": DuckdbShop, "sqlite": SqliteShop}[kind](tmp_path)
    elif kind == "mysql":
        made = MysqlShop(request.getfixturevalue("road"))
    else:
        made = PostgresShop(request.getfixturevalue("pair"))
    yield made
    made.close()


@pytest.fixture
def source(shop: Shop) -> Any:
    opened = shop.source().open_source()
    yield opened
    opened.close()


def blocks(rows: Rows) -> Iterator[int]:
    """The sizes of what is read, in whichever form."""
    if rows.form == ARROW or rows.form.endswith(TEXT_BLOCKS):
        for batch in rows.batches():
            yield batch.nbytes
        return
    while block := rows.read(4096):
        yield len(block)


def test_the_kinds_with_a_data_plane_are_those_under_test() -> None:
    found = {
        name
        for name, kind in registry.all_kinds().items()
        if any(issubclass(one, Reads | Writes | Explores) for one in type(_made(kind)).__mro__)
    }
    assert found == CAPABLE


def _made(kind: Any) -> Any:
    some = {"host": "127.0.0.1", "username": "u", "password": "p", "database": "d", "bucket": "bucket"}
    values = {name: value for name, value in some.items() if name in kind.config.model_fields}
    from etl_engine.connectors.contract import Surroundings

    config = kind.config.model_validate({"name": "x", "db_type": kind.name, **values})
    return kind.make(config, Surroundings())


def test_a_table_is_described_exactly(source: Source, shop: Shop) -> None:
    table = source.describe(Selection("orders"))
    assert tuple((c.name, c.native, c.nullable, c.type.family) for c in table.columns) == shop.columns
    assert (table.key, table.unique, table.rows, table.kind) == (("id",), shop.unique, 1000, "table")
    assert table.incarnation
    assert source.describe(Selection("orders", columns=("note", "id"))).names == ("note", "id")
    assert source.describe(Selection(shop.view)).kind == "view"


def test_rows_come_to_the_end_with_their_count_and_checksum(source: Source) -> None:
    selection = Selection("orders")
    table = source.describe(selection)
    source.begin(selection)
    sums = {}
    for form in source.forms(table):
        rows = source.read(selection, table, form)
        size = sum(blocks(rows))
        totals = rows.finish()
        assert (totals.rows, totals.bytes, rows.bytes_read) == (1000, size, size)
        rows.check()
        sums[form] = totals.checksum
        rows.close()
        rows.close()
    # Blocks of texts are the bytes that are relayed as text; any other form has bytes of its own.
    assert len(set(sums.values())) == len([form for form in sums if not form.endswith(TEXT_BLOCKS)])


def test_all_reads_of_one_snapshot_see_the_same_rows(source: Source, shop: Shop) -> None:
    selection = Selection("orders")
    table = source.describe(selection)
    source.begin(selection)
    shop.sell_out()
    assert source.fingerprint(selection, table.columns, each=False).rows == 1000
    total = 0
    for piece in source.pieces(table, 300):
        rows = source.read(Selection("orders", piece=piece), table, source.forms(table)[0])
        assert sum(blocks(rows)) > 0
        total += rows.finish().rows
    assert total == 1000
    source.end()
    source.begin(selection)
    assert source.fingerprint(selection, table.columns, each=False).rows == 10


def test_a_read_that_is_given_up_ends_at_once_and_the_session_goes_on(source: Source, shop: Shop) -> None:
    endless = Selection(query=shop.endless)
    table = source.describe(endless)
    source.begin(endless)
    rows = source.read(endless, table, source.forms(table)[0])
    assert next(blocks(rows))
    rows.close()
    source.end()
    assert source.describe(Selection("orders")).rows == 1000
    assert not [thread for thread in threading.enumerate() if thread.name == "copy out"]


def test_a_session_that_is_gone_is_unreachable_and_not_the_end_of_the_table(source: Source, shop: Shop) -> None:
    slow = Selection(query=shop.slow)
    table = source.describe(slow)
    source.begin(slow)
    rows = source.read(slow, table, source.forms(table)[0])
    reading = blocks(rows)
    assert next(reading)
    shop.end_sessions()
    with pytest.raises(Unreachable):
        sum(reading)
    with pytest.raises(Unreachable):
        rows.finish()
    rows.close()


def test_what_is_wrong_with_a_selection_is_said(source: Source, shop: Shop) -> None:
    wrong: list[tuple[Selection, type[EtlError]]] = [
        (Selection("nowhere"), Missing),
        (Selection("orders", columns=("no",)), Missing),
        (Selection("a.b.c.d"), BadInput),
        (Selection("x" * 100), shop.of_a_long_name),
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


def test_two_roads_to_one_database_have_one_identity(source: Source, shop: Shop) -> None:
    """Where table names carry their database, a server is one; there the same name means the same table."""
    other = shop.target().open_destination()
    same = shop.source().open_destination()
    assert source.identity == same.identity
    one, two = (side.resolve("orders")[0] for side in (same, other))
    assert (source.identity, one) != (other.identity, two)
    assert source.identity.partition(":")[0] == other.identity.partition(":")[0]
    other.close()
    same.close()


def test_a_unit_that_is_not_committed_was_never_there(source: Source, shop: Shop) -> None:
    destination = shop.target().open_destination()
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


def test_stopping_a_session_ends_what_it_waits_for(source: Source, shop: Shop) -> None:
    began, ended = threading.Event(), []

    def wait() -> None:
        began.set()
        try:
            sleeping = Selection(query=shop.sleeping)
            source.begin(sleeping)
            table = source.describe(sleeping)
            sum(blocks(source.read(sleeping, table, source.forms(table)[0])))
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


def test_looking_around(shop: Shop) -> None:
    explorer = shop.source().explore()
    assert set(shop.schemas) <= set(explorer.schemas())
    schema, names = shop.in_schema
    found = {str(table.name): (table.kind, table.rows) for table in explorer.tables()}
    assert found[shop.orders] == ("table", 1000)
    assert found[shop.view] == ("view", None)
    assert [str(table.name) for table in explorer.tables(schema)] == names
    assert explorer.describe("orders").key == ("id",)
    assert explorer.sample("orders", 2) == list(shop.sample)
    with pytest.raises(Missing, match=f"did you mean {re.escape(shop.orders)}"):
        explorer.sample("order", 1)
    explorer.close()
