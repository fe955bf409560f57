"""Negative controls: targets that lose one row of ten thousand, double one, or swap two values, and do not say so."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from copying import Pair
from file_copies import Files
from mysql_copying import Road

from etl_engine.connectors.duck.unit import DuckdbUnit
from etl_engine.connectors.mysql.unit import MysqlUnit
from etl_engine.connectors.pg.unit import PostgresqlUnit
from etl_engine.connectors.rows import Place, Rows
from etl_engine.connectors.sqlite.unit import SqliteUnit
from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import EtlError
from etl_engine.model.copies import CopyOrder, CopyReceipt

ROWS = 10_000
UNITS: dict[str, type[Any]] = {
    "postgresql": PostgresqlUnit,
    "mysql": MysqlUnit,
    "sqlite": SqliteUnit,
    "duckdb": DuckdbUnit,
}
Change = Callable[[pa.RecordBatch], pa.RecordBatch]


class Spoilt(Rows):
    """Rows as a broken target takes them: one change, in the batch that has the row 7777."""

    def __init__(self, rows: Rows, change: Change) -> None:
        self.form = rows.form
        self._rows = rows
        self._change = change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)

    def batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self._rows.batches():
            yield self._change(batch) if 7777 in batch.column(0).to_pylist() else batch

    def check(self) -> None:
        self._rows.check()

    def finish(self) -> Any:
        return self._rows.finish()

    def close(self) -> None:
        self._rows.close()


def dropped(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.slice(0, batch.num_rows - 1)


def doubled(batch: pa.RecordBatch) -> pa.RecordBatch:
    rows = [*range(batch.num_rows), batch.num_rows - 1]
    return batch.take(pa.array(rows))


def swapped(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The notes of the first two rows change places."""
    rows = pa.array([1, 0, *range(2, batch.num_rows)])
    return pa.RecordBatch.from_arrays([batch.column(0), batch.column(1).take(rows)], schema=batch.schema)


@pytest.fixture(params=UNITS)
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[type[Any], Callable[..., CopyReceipt]]:
    """The class of the target's units, and a copy of ten thousand rows into it."""
    kind = request.param
    files = Files(tmp_path, "from.db", "into.duckdb" if kind == "duckdb" else "into.db")
    files.s(
        "CREATE TABLE t (id INTEGER, note TEXT)",
        f"WITH RECURSIVE n(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM n WHERE g < {ROWS}) "
        "INSERT INTO t SELECT g, 'n' || g FROM n",
    )
    target = files.connector(files.target)
    if kind == "postgresql":
        pair: Pair = request.getfixturevalue("pair")
        target = pair.connector(pair.target)
    elif kind == "mysql":
        road: Road = request.getfixturevalue("road")
        target = road.target.connector()
    ends = Ends(files.connector(files.source).open_source, target.open_destination, target.open_source)

    def copy(**options: object) -> CopyReceipt:
        order = {"source_id": "one", "target_id": "other", "table": "t", "target": "t", **options}
        return transfer.run(CopyOrder.model_validate(order), ends, Progress(), Stop())

    return UNITS[kind], copy


def break_it(unit: type[Any], change: Change, lie: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on units of this class load something else, and say so only as far as `lie` lets them."""
    real = unit.load

    def load(self: Any, rows: Rows, place: Place, columns: Any) -> int:
        return int(real(self, Spoilt(rows, change), place, columns)) + lie

    monkeypatch.setattr(unit, "load", load)


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_a_sink_that_drops_a_row_is_caught(sink: Any, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unit, copy = sink
    break_it(unit, dropped, 0, monkeypatch)
    with pytest.raises(EtlError, match="9999"):
        copy(mode=mode)
    monkeypatch.undo()
    receipt = copy(mode=mode, verify=True)  # nothing of the first one stayed
    assert receipt.verification and receipt.verification.equal


def test_a_sink_that_doubles_a_row_is_caught(sink: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    unit, copy = sink
    break_it(unit, doubled, 0, monkeypatch)
    with pytest.raises(EtlError, match="10001"):
        copy()


@pytest.mark.parametrize(("change", "lie"), [(swapped, 0), (dropped, 1), (doubled, -1)])
def test_a_sink_that_lies_is_caught_by_reading_both_sides_again(
    sink: Any, change: Change, lie: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit, copy = sink
    break_it(unit, change, lie, monkeypatch)
    found = copy(mode="replace", verify=True).verification
    assert found and not found.equal
    assert found.target_rows == ROWS - lie
