"""Copies in processes that may have so much and no more: memory, and the size of a file."""

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import file_tables
import pytest
from copying import Pair, eventually
from dying import no_sessions_left
from file_copies import Files
from file_tables import End, parquet

from etl_engine.errors import EtlError

ROWS = 60_000
_DONE, _TOLD, _BROKEN = 0, 5, 6


def within(limit: int, most: Callable[[], int], work: Callable[[], object]) -> int:
    """Fork, set the limit, work: _DONE, _TOLD by an exception, _BROKEN by a signal or something else."""
    child = os.fork()
    if not child:
        code = _BROKEN
        try:
            resource.setrlimit(limit, (most(), most()))
            work()
            code = _DONE
        except Exception as error:
            print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr)
            code = _TOLD
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def memory_now(more: int) -> int:
    """What this process has, and so much more."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + more


@pytest.mark.parametrize("mode", ["append", "merge", "replace"])
def test_a_copy_that_has_too_little_memory_doubles_and_loses_nothing(pair: Pair, mode: str) -> None:
    """A cell that does not fit into the process: the run ends, whatever was committed before it is known."""
    pair.s(
        "CREATE TABLE t (id int PRIMARY KEY, v text)",
        "INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(1, 5000) g",
        "INSERT INTO t VALUES (5001, repeat('y', 120000000))",
        "ANALYZE t",
    )
    work = lambda: pair.copy("t", mode=mode, slice_rows=2000, lane="typed")  # noqa: E731
    assert within(resource.RLIMIT_AS, lambda: memory_now(8 << 20), work) != _DONE
    eventually(no_sessions_left(pair), "the end of its sessions")
    if pair.t("SELECT to_regclass('t') IS NOT NULL") == "t":
        assert int(pair.t("SELECT count(*) FROM t")) in (0, 2000, 4000)
        assert pair.t("SELECT count(*) FROM t") == pair.t("SELECT coalesce(sum(rows), 0) FROM _etl_ledger")
    work()
    assert pair.t("SELECT count(*), count(DISTINCT id), sum(length(v)) FROM t") == "5001|5001|120500000"
    pair.tidy()


def rows_of(kind: str, folder: Path) -> list[tuple[Any, ...]]:
    query = "SELECT id FROM t ORDER BY id"
    if kind == "sqlite":
        with closing(sqlite3.connect(folder / "into.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return database.execute(query).fetchall()
    if kind == "duckdb":
        with duckdb.connect(folder / "into.duckdb") as session:
            return session.execute(query).fetchall()
    return parquet(folder / "into" / "t", query)


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "files"])
def test_a_file_that_may_not_grow_stops_the_copy_and_leaves_what_was_there(kind: str, tmp_path: Path) -> None:
    """As a full disk does: RLIMIT_FSIZE, beyond which a write is an error."""
    source = Files(tmp_path, "from.db", "into.duckdb" if kind == "duckdb" else "into.db")
    source.s("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, 'old')")
    end = file_tables.folder(tmp_path / "into")
    target = source.connector(source.target) if kind in ("sqlite", "duckdb") else end.connector
    one = End({"db_type": "sqlite", "database": "from.db"}, (tmp_path,))

    def copy() -> None:
        order = file_tables.order("t", "t", mode="append")
        ends = file_tables.Ends(one.connector.open_source, target.open_destination)
        file_tables.transfer.run(order, ends, file_tables.Progress(), file_tables.Stop())

    copy()
    assert rows_of(kind, tmp_path) == [(1,)]
    source.s(
        "DELETE FROM t",
        f"WITH RECURSIVE n(g) AS (SELECT 2 UNION ALL SELECT g + 1 FROM n WHERE g <= {ROWS}) "
        "INSERT INTO t SELECT g, hex(randomblob(60)) FROM n",
    )
    assert within(resource.RLIMIT_FSIZE, lambda: 1 << 20, copy) == _TOLD
    assert rows_of(kind, tmp_path) == [(1,)]
    copy()
    assert rows_of(kind, tmp_path) == [(number,) for number in range(1, ROWS + 2)]


@pytest.mark.parametrize("lane", ["relay", "typed"])
def test_a_process_that_may_open_few_files_says_so_and_leaves_nothing(pair: Pair, lane: str) -> None:
    pair.s("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT g, 'v' FROM generate_series(1, 500) g")
    work = lambda: pair.copy("t", lane=lane)  # noqa: E731
    for more in (0, 1, 2, 3):
        few = lambda more=more: max(map(int, os.listdir("/proc/self/fd"))) + more  # noqa: E731, PTH208
        ended = within(resource.RLIMIT_NOFILE, few, work)
        assert ended in (_DONE, _TOLD)
        eventually(no_sessions_left(pair), "the end of its sessions")
        pair.tidy()
        if ended == _DONE:
            break
        assert pair.t("SELECT to_regclass('t') IS NULL") == "t"
    else:
        work()
    pair.same("t")


@pytest.fixture
def small_disk(pair: Pair) -> Iterator[Path]:
    """A file system of four megabytes, where all tables of the target lie."""
    folder = Path(tempfile.mkdtemp(prefix="etl-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700,uid=postgres,gid=postgres", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("a small file system cannot be mounted here")
    space = f"small_{pair.target}"
    try:
        pair.sql("postgres", f"CREATE TABLESPACE {space} LOCATION '{folder}'")
        pair.sql("postgres", f"ALTER DATABASE {pair.target} SET default_tablespace = {space}")
        yield folder
        pair.sql("postgres", f"DROP DATABASE {pair.target} WITH (FORCE)")
        pair.sql("postgres", f"DROP TABLESPACE {space}")
        pair.sql("postgres", f"CREATE DATABASE {pair.target}")  # which its fixture drops
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


@pytest.mark.parametrize("lane", ["relay", "typed", "kept-apart"])
@pytest.mark.parametrize("mode", ["append", "merge", "replace"])
def test_a_server_whose_disk_is_full_keeps_what_it_has(pair: Pair, small_disk: Path, mode: str, lane: str) -> None:
    """The copy ends with the server's words, and goes on where it was once there is room again."""
    how = {"lane": lane} if lane != "kept-apart" else {"on_reject": "quarantine"}  # no row is to blame
    pair.s("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'old')", "ANALYZE t")
    pair.copy("t", mode=mode, **how)
    pair.s("DELETE FROM t", "INSERT INTO t SELECT g, repeat(md5(g::text), 20) FROM generate_series(2, 12000) g")
    with pytest.raises(EtlError, match="No space left"):
        pair.copy("t", mode=mode, **how)
    assert pair.t("SELECT id, v FROM t") == "1|old"
    assert pair.t("SELECT count(*) FROM _etl_ledger") == "1"
    pair.tidy()
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    pair.copy("t", mode=mode, **how)
    wanted = "11999" if mode == "replace" else "12000"
    assert pair.t("SELECT count(*), count(DISTINCT id) FROM t") == f"{wanted}|{wanted}"
