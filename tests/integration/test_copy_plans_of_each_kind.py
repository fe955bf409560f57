"""What a plan shows and a refusal advises is written as the target's own kind takes it."""

import json
from pathlib import Path

import file_tables
import pyarrow as pa
import pytest
from copying import Pair
from deltalake import DeltaTable, write_deltalake
from file_copies import Files
from file_tables import delta
from mysql_copying import Road

from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import BadInput

SOURCE = ("CREATE TABLE o (id int NOT NULL PRIMARY KEY, v int, w int)", "INSERT INTO o VALUES (1, 10, 100)")
TARGET = ("CREATE TABLE o (id int NOT NULL, v int)", "INSERT INTO o VALUES (1, 1)")
IN_FILES = [("into.db", ""), ("into.db", "wal"), ("into.duckdb", "")]


def shop(folder: Path, target: str, journal: str) -> Files:
    files = Files(folder, "from.db", target)
    files.s(*SOURCE)
    files.t(f"PRAGMA journal_mode = {journal}" if journal else "SELECT 1", *TARGET, "SELECT 1")
    return files


@pytest.mark.parametrize(("target", "journal"), IN_FILES)
def test_files_of_databases_take_what_their_plan_shows(tmp_path: Path, target: str, journal: str) -> None:
    files = shop(tmp_path, target, journal)
    with pytest.raises(BadInput, match="no unique key") as refused:
        files.copy("o", mode="merge", new_columns="evolve")
    files.t(refused.value.hint.partition(";")[0])
    (statement,) = files.plan("o", mode="merge", new_columns="evolve").statements
    assert files.copy("o", mode="merge", new_columns="evolve").written == 1
    assert files.t("SELECT * FROM o") == [(1, 10, 100)]
    files.t("DROP TABLE o", TARGET[0], statement)
    assert [name for name, *_ in files.t("SELECT name FROM pragma_table_info('o')")] == ["id", "v", "w"]


@pytest.mark.parametrize(("target", "journal"), IN_FILES)
def test_a_plan_says_whether_readers_of_the_file_wait(tmp_path: Path, target: str, journal: str) -> None:
    (note,) = [
        one
        for one in shop(tmp_path, target, journal).plan("o", mode="replace", new_columns="evolve").notes
        if "emptied" in one
    ]
    waits = target == "into.db" and not journal
    assert ("readers wait" in note, "sees the old rows" in note) == (waits, not waits)


def test_mysql_takes_what_its_plan_shows(road: Road) -> None:
    road.source.sql(*SOURCE)
    road.target.sql(*TARGET)
    with pytest.raises(BadInput, match="no unique key") as refused:
        road.copy("o", mode="merge", new_columns="evolve")
    road.target.sql(refused.value.hint.partition(";")[0])
    (statement,) = road.plan("o", mode="merge", new_columns="evolve").statements
    road.target.sql(statement)
    assert road.copy("o", mode="merge", new_columns="evolve").rows == 1
    road.same("o")


def test_postgresql_takes_what_its_plan_shows(pair: Pair) -> None:
    pair.s(*SOURCE)
    pair.t(*TARGET, "CREATE VIEW seen AS SELECT id FROM o")
    with pytest.raises(BadInput, match="no unique key") as refused:
        pair.copy("o", mode="merge", new_columns="evolve")
    pair.t(refused.value.hint.partition(";")[0])
    (statement,) = pair.plan("o", mode="merge", new_columns="evolve").statements
    pair.t(statement)
    pair.copy("o", mode="merge", new_columns="evolve")
    pair.same("o")
    assert any("readers wait" in one for one in pair.plan("o", mode="replace", new_columns="evolve").notes)


def test_a_delta_table_of_others_is_merged_into_once_its_key_is_noted(pair: Pair, tmp_path: Path) -> None:
    place = file_tables.lake(tmp_path / "lake")
    there = tmp_path / "lake" / "o"
    write_deltalake(str(there), pa.table({"id": pa.array([1], pa.int32()), "v": pa.array([1], pa.int32())}))
    pair.s(*SOURCE)
    ends = Ends(pair.connector(pair.source).open_source, place.connector.open_destination, place.connector.open_source)
    order = pair.order("o", "o", mode="merge", new_columns="evolve")
    with pytest.raises(BadInput, match="no unique key") as refused:
        transfer.run(order, ends, Progress(), Stop())
    noted = json.dumps(["id"])
    assert refused.value.hint.endswith(f"ALTER TABLE o SET TBLPROPERTIES ('etl.key' = '{noted}');")
    DeltaTable(str(there)).alter.set_table_properties({"etl.key": noted}, raise_if_not_exists=False)
    (statement,) = transfer.plan(order, ends).statements
    assert statement == 'ALTER TABLE o ADD COLUMNS ("w" int32)'
    assert transfer.run(order, ends, Progress(), Stop()).written == 1
    assert delta(there) == [(1, 10, 100)]
