"""Copies between PostgreSQL, SQLite and DuckDB: each side judged by its own program."""

from pathlib import Path
from typing import Any

import pytest
from copying import Pair
from file_copies import Files

from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import Rejected
from etl_engine.model.copies import CopyOrder, CopyReceipt

TABLE = (
    "CREATE TABLE t (id bigint PRIMARY KEY, n numeric(12,2), big numeric(30,10), f double precision, note text, "
    "raw bytea, ok boolean, d date, at timestamp, inst timestamptz, u uuid, j json, tags text[])"
)
FILL = (
    "INSERT INTO t SELECT g, g / 7.0, g * 1234567890123.0123456789, g / 3.0::float8, "
    "CASE WHEN g % 3 = 0 THEN '' WHEN g % 3 = 1 THEN E'tab\\t\"q\" ü🦆' END, decode(lpad(to_hex(g), 8, '0'), 'hex'), "
    "g % 2 = 0, date '2024-02-28' + g, timestamp '2024-02-29 23:59:59.5' + g * interval '1 min', "
    "timestamptz '2024-02-29 23:59:59.123456+02' + g * interval '1 min', "
    "md5(g::text)::uuid, json_build_object('a', g), ARRAY['x', NULL, g::text] FROM generate_series(1, 500) g"
)
TEXTS = (
    "SELECT id, CAST(n AS {t}), note, hex(raw), ok, CAST(d AS {t}), CAST(u AS {t}), CAST(j AS {t}) "
    "FROM t ORDER BY id LIMIT 3"
)
# An array comes back as the JSON that it went as.
BACK = (
    "SELECT md5(string_agg(ROW(id, n, big, f, note, raw, ok, d, at, inst, u, j)::text || "
    "translate(to_json(tags)::text, ' ', ''), '|' ORDER BY id)) FROM t"
)


@pytest.fixture
def source(pair: Pair) -> Pair:
    pair.s(TABLE, FILL, "ANALYZE t")
    return pair


@pytest.fixture(params=["there.db", "there.duckdb"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    name: str = request.param
    return Files(tmp_path, name, name)


def copy(source: Any, target: Any, table: str = "t", **options: Any) -> CopyReceipt:
    order = CopyOrder.model_validate({"source_id": "a", "target_id": "b", "table": table, "target": "t", **options})
    return transfer.run(
        order, Ends(source.open_source, target.open_destination, target.open_source), Progress(), Stop()
    )


@pytest.mark.parametrize("mode", ["append", "replace", "merge"])
def test_a_table_goes_there_and_comes_back_the_same(source: Pair, files: Files, mode: str) -> None:
    postgres, there = source.connector(source.source), files.connector(files.target)
    receipt = copy(postgres, there, mode=mode)
    assert (receipt.rows, receipt.lane) == (500, "typed")
    text = "VARCHAR" if files.target.endswith("duckdb") else "TEXT"
    first = files.t(TEXTS.format(t=text))[0]
    assert first[0] == 1 and first[1] in ("0.14", "0.140000000000000") and first[3] == "00000001"
    assert first[5:7] == ("2024-02-29", "c4ca4238-a0b9-2382-0dcc-509a6f75849b")
    source.t(TABLE.replace("tags text[]", "tags json"))
    copy(there, source.connector(source.target), mode=mode)
    assert source.t(BACK) == source.s(BACK)


def test_both_sides_are_verified_in_the_target_s_types(source: Pair, files: Files) -> None:
    receipt = copy(source.connector(source.source), files.connector(files.target), verify=True)
    assert receipt.verification and receipt.verification.equal, receipt.verification


def test_a_value_that_the_target_cannot_hold_stops_the_copy(source: Pair, tmp_path: Path) -> None:
    files = Files(tmp_path, "there.db", "there.db")
    source.s("UPDATE t SET f = 'NaN' WHERE id = 7")
    with pytest.raises(Rejected, match="NaN"):
        copy(source.connector(source.source), files.connector(files.target))
    assert files.t("SELECT count(*) FROM sqlite_master WHERE name = 't'") == [(0,)]


@pytest.mark.parametrize("names", [("from.db", "into.duckdb"), ("from.duckdb", "into.db")])
def test_between_sqlite_and_duckdb(tmp_path: Path, names: tuple[str, str]) -> None:
    files = Files(tmp_path, *names)
    files.s(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, n DECIMAL(9,2), note VARCHAR, seen TIMESTAMP, raw BLOB)",
        "INSERT INTO t VALUES (1, 1.25, '', '2024-02-29 23:59:59.5', CAST('x' AS BLOB)), (2, NULL, NULL, NULL, NULL), "
        "(9223372036854775807, -0.01, 'ü', '0001-01-01 00:00:00', CAST('' AS BLOB))",
    )
    assert files.copy("t", verify=True).verification.equal  # type: ignore[union-attr]
    found = [tuple(map(_plain, row)) for row in files.t("SELECT * FROM t ORDER BY id")]
    assert found == [tuple(map(_plain, row)) for row in files.s("SELECT * FROM t ORDER BY id")]


def _plain(value: Any) -> Any:
    if type(value).__name__ == "Decimal":
        return float(value)
    return str(value)[:19] if type(value).__name__ in ("datetime", "str") else value
