"""What others got wrong and no other test here has: as `bugs.yaml` numbers them."""

import pytest
from copying import Pair
from file_copies import Files

from etl_engine.errors import EtlError

EVENTS = "CREATE TABLE {} (id bigint PRIMARY KEY, at timestamptz NOT NULL, note text)"


def events(pair: Pair, table: str = "ev", rows: int = 100) -> None:
    pair.s(
        EVENTS.format(table),
        f"INSERT INTO {table} SELECT g, '2024-01-01'::timestamptz + g * interval '1 s', 'n' || g "
        f"FROM generate_series(1, {rows}) g",
        f"ANALYZE {table}",
    )


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_cursor_run_without_changes_leaves_the_target_as_it_is(pair: Pair, mode: str) -> None:
    """B25, B41, B44: and the run after it still knows where it stands."""
    events(pair)
    for _ in range(3):
        pair.copy("ev", mode=mode, cursor="at")
        pair.same("ev")
    pair.s("DELETE FROM ev")  # a source that was emptied is no change that a cursor shows
    assert pair.copy("ev", mode=mode, cursor="at").written == 0
    assert pair.t("SELECT count(*), max(id) FROM ev") == "100|100"
    pair.s("INSERT INTO ev VALUES (101, '2024-01-02', 'new')")
    assert pair.copy("ev", mode=mode, cursor="at").written == 1
    assert pair.t("SELECT count(*), max(id) FROM ev") == "101|101"


def test_a_stream_that_fails_moves_no_other_s_cursor(pair: Pair) -> None:
    """B10, B43: each stream's place is in its own lines of the ledger."""
    events(pair, "one")
    events(pair, "two")
    pair.copy("one", mode="append", cursor="at")
    pair.copy("two", mode="append", cursor="at")
    pair.s(
        "INSERT INTO one VALUES (101, '2024-01-02', 'new')",
        "INSERT INTO two VALUES (101, '2024-01-02', 'new')",
    )
    pair.t("ALTER TABLE two ADD CHECK (note <> 'new')")
    pair.copy("one", mode="append", cursor="at")
    with pytest.raises(EtlError, match="two_note_check"):
        pair.copy("two", mode="append", cursor="at")
    pair.t("ALTER TABLE two DROP CONSTRAINT two_note_check")
    assert pair.copy("two", mode="append", cursor="at").written == 1
    assert pair.copy("one", mode="append", cursor="at").written == 0
    pair.same("one")
    pair.same("two")


def test_what_is_remembered_at_the_border_stays_small(pair: Pair) -> None:
    """B27: only rows that a later run may read again are remembered, however many runs there were."""
    events(pair, rows=5000)
    for run in range(6):
        pair.copy("ev", mode="append", cursor="at")
        pair.s(f"INSERT INTO ev SELECT 10000 + {run} * 500 + g, now(), 'x' FROM generate_series(1, 500) g")
    pair.copy("ev", mode="append", cursor="at")
    assert pair.both("SELECT count(*), count(DISTINCT id) FROM ev") == ("8000|8000", "8000|8000")
    remembered = int(pair.t("SELECT count(*) FROM _etl_seen"))
    assert remembered <= 3500, "rows that were committed long ago need not be remembered"
    assert int(pair.t("SELECT max(length(moment::text)) FROM _etl_ledger")) < 2000


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_compound_keys_are_not_run_together(pair: Pair, mode: str) -> None:
    """B46, B60: ('a,b', 'c') is not ('a', 'b,c'), and (1, 10) is not (11, 0)."""
    pair.s(
        "CREATE TABLE k (a text, b text, at timestamptz NOT NULL, PRIMARY KEY (a, b))",
        "INSERT INTO k SELECT a, b, '2024-01-01' FROM (VALUES ('a,b', 'c'), ('a', 'b,c'), ('1', '10'), ('11', '0'), "
        "('110', ''), ('', '110'), ('\"', '\",\"'), ('\",\"', '\"'), ('\\', ''), ('', '\\')) v (a, b)",
    )
    for _ in range(2):
        pair.copy("k", mode=mode, cursor="at")
        pair.same("k", order='a COLLATE "C", b COLLATE "C"')
    pair.s("INSERT INTO k VALUES ('111', '0', '2024-01-01'), ('1', '110', '2024-01-01')")
    pair.copy("k", mode=mode, cursor="at")
    pair.same("k", order='a COLLATE "C", b COLLATE "C"')


@pytest.mark.parametrize(
    ("native", "values"),
    [
        ("bigint", "(-9223372036854775808), (-9223372036854775807), (-1), (0), (1), (9223372036854775807)"),
        ("smallint", "(-32768), (1), (32767)"),
        ("bigint", "(1)"),
        ("bigint", "(9223372036854775807)"),
        ("numeric", "(-1e40), (0.1), (0.10000000000000000001), (1e40)"),
        ("bigint", ""),
    ],
)
@pytest.mark.parametrize("slice_rows", [1, 2, 100])
def test_pieces_at_the_ends_of_the_numbers_tile(pair: Pair, native: str, values: str, slice_rows: int) -> None:
    """B8, B49: sparse keys, negative ones, one row, none, and more pieces asked for than there are values."""
    pair.s(f"CREATE TABLE k (id {native} PRIMARY KEY)", f"INSERT INTO k VALUES {values}" if values else "SELECT 1")
    pair.s("ANALYZE k")
    pair.copy("k", slice_rows=slice_rows)
    pair.same("k")


def test_rows_deleted_at_the_target_come_again_with_a_deliberate_run(pair: Pair) -> None:
    """B61: a batch of the same rows in a new run is no batch that is known."""
    events(pair)
    for _ in range(2):
        pair.copy("ev", mode="append")
        pair.same("ev")
        pair.t("DELETE FROM ev")
    pair.copy("ev", mode="append")
    pair.same("ev")


def test_the_same_in_files_of_sqlite(tmp_path_factory: pytest.TempPathFactory) -> None:
    """B25, B46, B60, B61: where keys are remembered by their text."""
    files = Files(tmp_path_factory.mktemp("rivals"), "from.db", "into.db")
    files.s(
        "CREATE TABLE k (a TEXT, b TEXT, at DATETIME NOT NULL, PRIMARY KEY (a, b))",
        "INSERT INTO k VALUES ('a,b', 'c', '2024-01-01 00:00:00'), ('a', 'b,c', '2024-01-01 00:00:00'), "
        "('1', '10', '2024-01-01 00:00:00'), ('11', '0', '2024-01-01 00:00:00')",
    )
    query = "SELECT a, b FROM k ORDER BY a, b"
    for _ in range(3):
        files.copy("k", mode="append", cursor="at")
        assert files.t(query) == files.s(query)
    files.s("INSERT INTO k VALUES ('111', '0', '2024-01-01 00:00:00'), ('1', '110', '2024-01-01 00:00:00')")
    files.copy("k", mode="append", cursor="at")
    assert files.t(query) == files.s(query)
