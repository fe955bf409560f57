"""Dates and timestamps of PostgreSQL beyond what a target holds: told with their row, or kept apart; never bent."""

import json
from pathlib import Path
from typing import Any

import file_tables
import pytest
from copying import Pair
from file_copies import Files

from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import Rejected

EVERYWHERE = ("1970-01-02", "2037-12-31")  # MySQL's timestamp holds no others
TO_9999 = (*EVERYWHERE, "0001-01-01", "9999-12-31")
FAR = (
    "10000-01-01",
    "294247-01-10",
    "294276-12-31",
    "0044-03-15 BC",
    "4714-11-24 BC",
    "infinity",
    "-infinity",
)
VERY_FAR = "5874897-12-31"  # of dates only
WIDEST = {"sqlite": (*TO_9999, *FAR), "duckdb": (*TO_9999, *(one for one in FAR if one != "294276-12-31"))}


def held(kind: str, native: str) -> tuple[str, ...]:
    if kind in WIDEST:
        return (*TO_9999, *FAR, VERY_FAR) if native == "date" else WIDEST[kind]
    return EVERYWHERE if (kind, native) == ("mysql", "timestamptz") else TO_9999


@pytest.fixture(params=["mysql", "sqlite", "duckdb", "lake", "files"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Any]:
    if request.param == "mysql":
        return request.param, request.getfixturevalue("road").target.connector()
    if request.param in ("lake", "files"):
        make = file_tables.lake if request.param == "lake" else file_tables.folder
        return request.param, make(tmp_path / "there").connector
    ending = "duckdb" if request.param == "duckdb" else "db"
    return request.param, Files(tmp_path, f"from.{ending}", f"into.{ending}").connector(f"into.{ending}")


@pytest.mark.parametrize("native", ["date", "timestamp", "timestamptz"])
def test_what_a_target_cannot_hold_is_kept_apart_and_stops_a_copy_that_keeps_nothing(
    pair: Pair, target: tuple[str, Any], native: str
) -> None:
    kind, there = target
    every = (*TO_9999, *FAR, VERY_FAR) if native == "date" else (*TO_9999, *FAR)
    values = ", ".join(f"({number}, '{value}')" for number, value in enumerate(every, 1))
    pair.s(f"CREATE TABLE far (id int PRIMARY KEY, v {native})", f"INSERT INTO far VALUES {values}")
    wrong = [number for number, value in enumerate(every, 1) if value not in held(kind, native)]
    name = "far.parquet" if kind == "files" else "far"
    ends = Ends(pair.connector(pair.source).open_source, there.open_destination, there.open_source)
    for mode in ("append",) if kind == "files" else ("append", "merge"):
        into = name if mode == "append" else f"merged_{name}"
        if wrong:
            with pytest.raises(Rejected, match=rf"(?i)\brow ({'|'.join(map(str, wrong))})\b"):
                transfer.run(pair.order("far", into, mode=mode), ends, Progress(), Stop())
        order = pair.order("far", into, mode=mode, on_reject="quarantine")
        receipt = transfer.run(order, ends, Progress(), Stop())
        assert receipt.rejected == len(wrong)
        assert receipt.written == len(every) - len(wrong)
        assert sorted((one.row, one.column) for one in receipt.rejects) == [(number, "v") for number in wrong[:10]]
        assert all(every[one.row - 1].split()[0] in one.value for one in receipt.rejects)


def test_they_come_back_from_where_they_fit(pair: Pair, tmp_path: Path) -> None:
    columns = "id int PRIMARY KEY, d date, t timestamp, z timestamptz"
    far = [one for one in FAR if one != "294276-12-31"]
    values = ", ".join(f"({number}, '{one}', '{one}', '{one}')" for number, one in enumerate((*TO_9999, *far)))
    pair.s(f"CREATE TABLE far ({columns})", f"INSERT INTO far VALUES {values}")
    pair.t(f"CREATE TABLE far ({columns})")
    there = Files(tmp_path, "from.duckdb", "into.duckdb").connector("into.duckdb")
    out = Ends(pair.connector(pair.source).open_source, there.open_destination)
    back = Ends(there.open_source, pair.connector(pair.target).open_destination)
    transfer.run(pair.order("far"), out, Progress(), Stop())
    transfer.run(pair.order("far", mode="replace"), back, Progress(), Stop())
    pair.same("far")
    assert json.loads(pair.t("SELECT json_agg(d ORDER BY id) FROM far"))[0] == "1970-01-02"
