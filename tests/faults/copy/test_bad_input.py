"""What people order by mistake, of every kind: a clear end, the target as it was, and nothing left behind."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from copying import eventually
from stalls import KINDS, OfBucket, OfDatabaseFile, OfFolder, OfMysql, OfPostgresql, Plain, Stall, copy
from worker_processes import living_of

from etl_engine.errors import BadInput, EtlError, Missing, Refused, Rejected

MERGING = ("postgresql", "mysql", "sqlite", "duckdb", "lake")
WITH_KEYS = ("postgresql", "mysql", "sqlite", "duckdb")
ORDERS = "CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR(40), f DOUBLE, at TIMESTAMP NOT NULL)"
ROWS = "INSERT INTO orders VALUES (1, 'a', 0.5, '2024-01-01 00:00:00'), (2, 'b', 1.5, '2024-01-02 00:00:00')"


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    folder = tmp_path / "plain"
    folder.mkdir()
    made = Plain(folder)
    made.sql(ORDERS, ROWS)
    return made


@pytest.fixture
def stall(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stall]:
    kind, folder = request.param, tmp_path / "stall"
    folder.mkdir()
    if kind == "postgresql":
        yield OfPostgresql(request.getfixturevalue("pair"))
    elif kind == "mysql":
        yield OfMysql(request.getfixturevalue("road"))
    elif kind == "s3":
        yield OfBucket(folder, request.getfixturevalue("s3_server"))
    else:
        yield (OfDatabaseFile if kind in ("sqlite", "duckdb") else OfFolder)(folder, kind)


def of(*kinds: str) -> Any:
    return pytest.mark.parametrize("stall", kinds, indirect=True)


def refused(stall: Stall, error: type[EtlError], work: Any) -> EtlError:
    """Told, and everything as it was."""
    before = stall.content()
    with pytest.raises(error) as told:
        work()
    assert stall.content() == before
    eventually(lambda: not stall.left(), "that nothing is left behind")
    return told.value


@of(*KINDS)
def test_a_table_that_is_not_there_is_told_with_the_nearest_names(stall: Stall, plain: Plain) -> None:
    copy(plain.connector, stall.connector)
    told = refused(stall, Missing, lambda: copy(stall.connector, stall.connector, "ordres", "other"))
    assert f"did you mean {stall.schema}orders" in told.message.replace('"', "")


@of(*KINDS)
def test_a_cursor_that_is_missing_or_useless_is_told(stall: Stall, plain: Plain) -> None:
    copy(plain.connector, stall.connector)

    def follow(column: str) -> EtlError:
        order = {"into": "new", "key": ["id"], "cursor": column}
        return refused(stall, BadInput, lambda: copy(stall.connector, plain.connector, **order))

    assert "no column 'att' to follow" in follow("att").message
    assert "no useful order" in follow("f").message


@of(*MERGING)
def test_rows_without_a_key_are_counted_and_not_merged(stall: Stall, plain: Plain) -> None:
    copy(plain.connector, stall.connector, mode="merge", key=["id"])
    plain.sql("CREATE TABLE loose (id BIGINT, v VARCHAR(40), f DOUBLE, at TIMESTAMP NOT NULL)")
    plain.sql("INSERT INTO loose SELECT * FROM orders", "UPDATE loose SET id = NULL, v = 'lost' WHERE id = 2")
    order = {"mode": "merge", "key": ["id"]}
    told = refused(stall, Rejected, lambda: copy(plain.connector, stall.connector, "loose", **order))
    assert "NULL" in told.message and ("1 row" in told.message or "id" in told.message)


@of(*WITH_KEYS)
def test_a_row_whose_key_is_there_already_is_named(stall: Stall, plain: Plain) -> None:
    copy(plain.connector, stall.connector)
    plain.sql("CREATE TABLE more AS SELECT id - 1 AS id, v, f, at FROM orders")
    told = refused(stall, Rejected, lambda: copy(plain.connector, stall.connector, "more"))
    assert re.search(r"\b(row 2|1)\b", told.message), told.message


@of(*KINDS)
def test_a_value_that_a_column_is_too_narrow_for_is_named(stall: Stall, plain: Plain) -> None:
    plain.sql("CREATE TABLE few (id BIGINT NOT NULL PRIMARY KEY, v DECIMAL(4,1))", "INSERT INTO few VALUES (1, 1)")
    plain.sql("CREATE TABLE large (id BIGINT NOT NULL PRIMARY KEY, v DECIMAL(12,1))")
    plain.sql("INSERT INTO large VALUES (2, 5), (3, 70000.5)")
    copy(plain.connector, stall.connector, "few")
    told = refused(stall, Rejected, lambda: copy(plain.connector, stall.connector, "large"))
    assert "70000" in told.message or "column v" in told.message, told.message


@of(*KINDS)
def test_a_target_of_another_shape_is_told_before_the_first_row(stall: Stall, plain: Plain) -> None:
    plain.sql("CREATE TABLE few AS SELECT id, at FROM orders LIMIT 1")
    copy(plain.connector, stall.connector, "few")
    told = refused(stall, BadInput, lambda: copy(plain.connector, stall.connector))
    assert "does not have the column" in told.message


@of(*KINDS)
def test_a_table_is_not_copied_into_itself(stall: Stall, plain: Plain) -> None:
    copy(plain.connector, stall.connector)
    told = refused(stall, BadInput, lambda: copy(stall.connector, stall.connector, mode="replace"))
    assert "the same table" in told.message


@of("sqlite", "duckdb", "files", "lake")
def test_a_place_that_may_not_be_written_is_told_with_what_to_do(stall: Stall, plain: Plain, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody who may not write there")
    copy(plain.connector, stall.connector)
    plain.sql("UPDATE orders SET id = id + 10")
    for path in (stall.root, *stall.root.parents):
        if path.is_relative_to("/tmp") and path != Path("/tmp"):
            path.chmod(0o755)
    before = stall.content()
    os.seteuid(65534)
    try:
        with pytest.raises(Refused) as told:
            copy(plain.connector, stall.connector)
    finally:
        os.seteuid(0)
    assert re.search("may not (use|be written)", told.value.message), told.value.message
    assert told.value.hint
    assert stall.content() == before
    assert not stall.left()


@pytest.mark.parametrize("query", ["DELETE FROM orders", "SELECT 1 AS a; SELECT 2 AS a", "UPDATE orders SET v = 'x'"])
@of(*KINDS)
def test_a_query_that_is_not_one_select_changes_nothing(stall: Stall, plain: Plain, query: str) -> None:
    copy(plain.connector, stall.connector)
    refused(stall, BadInput, lambda: copy(stall.connector, plain.connector, into="new", query=query))


@of(*KINDS)
def test_an_interrupted_command_ends_soon_and_leaves_nothing(stall: Stall, plain: Plain, tmp_path: Path) -> None:
    """Ctrl-C, at a copy that would take hours."""
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data"), "FILE_ROOTS": str(tmp_path)}
    command = [sys.executable, "-m", "etl_engine.cli"]

    def add(name: str, kind: str, words: list[str], secret: str = "") -> None:
        done = subprocess.run(
            [*command, "connections", "add", name, "--type", kind, *words, "--untested"],
            cwd=tmp_path, env=environment, input=secret, text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    add("plain", "sqlite", ["--database", str(plain.path)])
    add("there", stall.kind, stall.words, stall.secret)
    plain.sql("INSERT INTO orders SELECT o.id * 10 + 7, o.v, o.f, o.at FROM orders o")
    numbers = "WITH RECURSIVE n (g) AS (VALUES (1) UNION ALL SELECT g + 1 FROM n) INSERT INTO many SELECT g, 'v' FROM n"
    plain.sql("CREATE TABLE many (id BIGINT, v TEXT)", f"{numbers} LIMIT 20000")
    endless = "SELECT a.id, b.v FROM many a, many b, many c"
    process = subprocess.Popen(
        [*command, "copy", "plain", "there", "orders", "--query", endless],
        cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    try:
        eventually(lambda: stall.claimed() or process.poll() is not None, "that it is at work", 60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, "Interrupted." in err) == (130, True), err
    assert "Traceback" not in err
    assert living_of(process.pid) == []
    assert stall.content() is None
    eventually(lambda: not stall.left(), "that nothing is left behind")
