"""What every kind promises that reads, writes or explores, for tables that are files: in a folder, a bucket, a lake."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import file_tables
import pyarrow as pa
import pytest
from file_tables import End, copy

from etl_engine.connectors.carriers import carried
from etl_engine.connectors.rows import ARROW, Look, Place, Rows, Selection, Source
from etl_engine.errors import BadInput, EtlError, Missing, Rejected, Stale, Unreachable
from etl_engine.model.table import Family

KINDS = ("files", "s3", "lake", "lake-in-bucket")
ORDERS = "".join(f"{n},{n / 4:.2f},{'' if n % 5 == 0 else f'n{n}'}\n" for n in range(1, 1001))


@pytest.fixture(params=KINDS)
def end(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[End]:
    """A place with the table `orders` of 1,000 rows in it, written by ourselves."""
    plain = file_tables.folder(tmp_path / "plain", csv_types="infer")
    (tmp_path / "plain" / "orders.csv").write_text(f"id,amount,note\n{ORDERS}")
    if request.param == "files":
        made = file_tables.folder(tmp_path / "there")
    elif request.param == "lake":
        made = file_tables.lake(tmp_path / "there")
    else:
        server = request.getfixturevalue("s3_server")
        make = file_tables.bucket if request.param == "s3" else file_tables.lake_in_bucket
        made = make(server, server.new_bucket())
    copy(plain, "orders.csv", made, "orders", key=("id",))
    copy(plain, "orders.csv", made, "more/seen")
    yield made


@pytest.fixture
def source(end: End) -> Iterator[Any]:
    opened = end.connector.open_source()
    yield opened
    opened.close()


def drained(rows: Rows) -> pa.Table:
    found = list(rows.batches())
    return pa.Table.from_batches(found)


def test_a_table_is_described_exactly(source: Source) -> None:
    table = source.describe(Selection("orders"))
    assert [(c.name, c.native, c.type.family) for c in table.columns] == [
        ("id", "int64", Family.INTEGER),
        ("amount", "decimal128(5, 2)", Family.DECIMAL),
        ("note", "string", Family.TEXT),
    ]
    assert table.rows == 1000 and table.bytes
    assert table.incarnation
    assert source.describe(Selection("orders", columns=("note", "id"))).names == ("note", "id")


def test_rows_come_to_the_end_in_their_carriers_with_count_and_checksum(source: Source) -> None:
    selection = Selection("orders")
    table = source.describe(selection)
    assert source.forms(table) == (ARROW,)
    sums = set()
    for _ in range(2):
        source.begin(selection)
        rows = source.read(selection, table, ARROW)
        found = drained(rows)
        totals = rows.finish()
        assert found.schema.types == carried(table.columns).types
        assert (totals.rows, totals.bytes) == (1000, rows.bytes_read)
        assert sorted(found.column("id").to_pylist()) == list(range(1, 1001))
        assert found.column("note").null_count == 200
        sums.add(totals.checksum)
        rows.check()
        rows.close()
        rows.close()
    assert len(sums) == 1


def test_all_reads_of_one_snapshot_see_the_same_rows(source: Source, end: End, tmp_path: Path) -> None:
    selection = Selection("orders")
    table = source.describe(selection)
    source.begin(selection)
    plain = file_tables.folder(tmp_path / "plain")
    copy(plain, "orders.csv", end, "orders", mode="append", allow_lossy=())
    rows = source.read(selection, table, ARROW)
    assert drained(rows).num_rows == 1000
    rows.finish()
    source.end()
    source.begin(selection)
    assert source.fingerprint(selection, table.columns, each=False).rows == 2000


def test_a_read_that_is_given_up_ends_at_once_and_the_session_goes_on(source: Source) -> None:
    selection = Selection("orders")
    table = source.describe(selection)
    source.begin(selection)
    rows = source.read(selection, table, ARROW)
    assert next(iter(rows.batches())).num_rows
    rows.close()
    with pytest.raises(Unreachable):
        rows.finish()
    source.end()
    assert source.describe(Selection("orders")).rows == 1000


def test_what_is_wrong_with_a_selection_is_said(source: Source) -> None:
    wrong: list[tuple[Selection, type[EtlError]]] = [
        (Selection("nowhere"), Missing),
        (Selection("orders", columns=("no",)), Missing),
        (Selection("../orders"), BadInput),
        (Selection("x" * 2000), BadInput),
        (Selection(""), BadInput),
        (Selection(query="SELECT 1"), BadInput),
    ]
    for selection, error in wrong:
        with pytest.raises(error) as raised:
            source.describe(selection)
        assert raised.value.hint
    for column in ("no", "note"):
        with pytest.raises(BadInput):
            source.begin(Selection("orders", look=Look(column)))
    source.end()


def test_two_roads_to_one_place_have_one_identity(source: Source, end: End, tmp_path: Path) -> None:
    same = end.connector.open_destination()
    other = file_tables.folder(tmp_path / "other").connector.open_destination()
    assert source.identity == same.identity != other.identity
    same.close()
    other.close()


@pytest.mark.parametrize("place", list(Place))
def test_a_unit_that_is_not_committed_was_never_there(source: Source, end: End, place: Place) -> None:
    selection = Selection("orders")
    table = source.describe(selection)
    destination = end.connector.open_destination()
    name, existing = destination.resolve("fresh")
    assert existing is None
    claim = destination.claim(name, "s" * 32, "t", fresh=False, take_over=False)
    unit = destination.unit(claim, name)
    unit.create(place, table.columns)
    source.begin(selection)
    rows = source.read(selection, table, ARROW)
    assert unit.load(rows, place, table.names) == rows.finish().rows == 1000
    source.end()
    unit.rollback()
    assert destination.resolve("fresh")[1] is None
    destination.close()
    explorer = end.connector.explore()
    assert "fresh" not in {table.name.name for table in explorer.tables() if table.name}
    explorer.close()


def test_an_old_epoch_is_refused_at_the_ledger_itself(end: End, monkeypatch: pytest.MonkeyPatch) -> None:
    from etl_engine.connectors.rows import Entry

    first, second = (end.connector.open_destination() for _ in range(2))
    name, _ = first.resolve("orders")
    stream = "s" * 32
    old = first.claim(name, stream, "t", fresh=False, take_over=False)
    new = second.claim(name, stream, "t", fresh=False, take_over=True)
    assert (old.epoch, new.epoch, new.resumed, new.run_id) == (1, 2, True, old.run_id)
    unit = first.unit(old, name)
    with pytest.raises(Stale, match="taken this copy over"):
        unit.record(Entry(stream, "b", old.run_id, 0, 1, 1, "", old.epoch))
    unit.rollback()
    first.close()
    second.close()


def test_looking_around(end: End) -> None:
    explorer = end.connector.explore()
    assert explorer.schemas() in (["more"], ["more", "orders"])
    found = {table.name.name: table.rows for table in explorer.tables() if table.name}
    assert found == {"orders": 1000, "more/seen": 1000}
    assert [table.name.name for table in explorer.tables("more") if table.name] == ["more/seen"]
    assert explorer.describe("orders").names == ("id", "amount", "note")
    assert explorer.sample("orders", 2) == [["1", "0.25", "n1"], ["2", "0.50", "n2"]]
    with pytest.raises(Missing, match="orders"):
        explorer.sample("order", 1)
    explorer.close()


def test_null_in_a_column_that_must_have_a_value_is_refused_before_anything_is_written(
    source: Source, end: End
) -> None:
    import dataclasses

    selection = Selection("orders")
    table = source.describe(selection)
    destination = end.connector.open_destination()
    name, _ = destination.resolve("strict")
    claim = destination.claim(name, "s" * 32, "t", fresh=False, take_over=False)
    unit = destination.unit(claim, name)
    unit.create(Place.TARGET, [dataclasses.replace(one, nullable=False) for one in table.columns])
    source.begin(selection)
    rows = source.read(selection, table, ARROW)
    with pytest.raises(Rejected, match="200 rows have NULL in note"):
        unit.load(rows, Place.TARGET, table.names)
    rows.close()
    unit.rollback()
    assert destination.resolve("strict")[1] is None
    destination.close()
