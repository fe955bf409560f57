"""Rows that cannot be loaded: they stop the copy, or are kept apart, counted and shown; never lost in silence."""

import json

import pytest
from copying import Pair

from etl_engine.errors import Rejected

KEPT = 'SELECT row, "column", value, reason FROM _etl_rejects ORDER BY row'


@pytest.fixture
def readings(pair: Pair) -> Pair:
    """100,000 rows; the values of ten of them do not fit the target."""
    pair.s(
        "CREATE TABLE readings (id bigint PRIMARY KEY, value numeric, note text)",
        "INSERT INTO readings SELECT g, CASE WHEN g % 10000 = 0 THEN g * 1e9 ELSE g / 100.0 END, 'n' || g "
        "FROM generate_series(1, 100000) g",
        "ANALYZE readings",
    )
    return pair


def narrow(pair: Pair, constraint: str = "") -> None:
    pair.t(f"CREATE TABLE readings (id bigint PRIMARY KEY, value numeric(8,2), note text{constraint})")


def test_the_first_row_that_does_not_fit_stops_the_copy_and_nothing_stays(readings: Pair) -> None:
    narrow(readings)
    with pytest.raises(Rejected, match=r"Row 10000: the value '10000000000000' in the column value does not fit"):
        readings.copy("readings")
    assert readings.t("SELECT count(*) FROM readings") == "0"


@pytest.mark.parametrize("mode", ["append", "merge", "replace"])
def test_rows_that_do_not_fit_are_kept_apart_in_the_same_transaction(readings: Pair, mode: str) -> None:
    narrow(readings)
    receipt = readings.copy("readings", mode=mode, on_reject="quarantine")
    assert (receipt.rows, receipt.rejected, receipt.lane) == (100000, 10, "typed")
    assert readings.t("SELECT count(*) FROM readings") == "99990"
    kept = readings.t(KEPT).splitlines()
    assert kept[0] == "10000|value|10000000000000|does not fit numeric(8,2)"
    assert len(kept) == 10
    assert [one.row for one in receipt.rejects] == [number * 10000 for number in range(1, 11)]
    content = json.loads(readings.t("SELECT content FROM _etl_rejects ORDER BY row LIMIT 1"))
    assert content == {"id": "10000", "value": "10000000000000", "note": "n10000"}
    assert readings.t("SELECT rows, rejected FROM _etl_ledger") == "99990|10"
    same = "SELECT id, value, note FROM readings WHERE id % 10000 <> 0 ORDER BY id"
    assert readings.t(same) == readings.s(same.replace("value,", "value::numeric(8,2),"))
    readings.tidy()


@pytest.mark.parametrize(
    ("limit", "message"),
    [({"reject_limit": 9}, "More than 9 rows"), ({"reject_percent": 0.005}, r"10 of 100000 rows .* 0\.01 %")],
)
def test_too_many_of_them_fail_the_run_and_nothing_of_the_batch_stays(
    readings: Pair, limit: dict[str, float], message: str
) -> None:
    narrow(readings)
    with pytest.raises(Rejected, match=message):
        readings.copy("readings", on_reject="quarantine", **limit)
    assert readings.t("SELECT count(*) FROM readings") == "0"
    assert readings.t("SELECT count(*) FROM _etl_rejects") == "0"
    assert readings.copy("readings", on_reject="quarantine", reject_limit=10, reject_percent=0.01).rejected == 10


BROKEN = [
    (" CHECK (note <> 'n99999')", "readings_note_check"),
    (" NOT NULL, CHECK (id <> 99999)", "readings_id_check"),
    (", UNIQUE (note)", "readings_note_key"),
]


# A successor gets its keys when it is loaded: see the next test.
FOUND = [(mode, *one) for mode in ("append", "replace") for one in BROKEN if mode == "append" or "UNIQUE" not in one[0]]


@pytest.mark.parametrize(("mode", "constraint", "name"), FOUND)
def test_a_constraint_that_row_99999_breaks(readings: Pair, mode: str, constraint: str, name: str) -> None:
    readings.s("DELETE FROM readings WHERE id % 10000 = 0", "UPDATE readings SET note = 'n5' WHERE id = 99999")
    if "UNIQUE" not in constraint:
        readings.s("UPDATE readings SET note = 'n99999' WHERE id = 99999")
    narrow(readings, constraint)
    with pytest.raises(Rejected, match=name):
        readings.copy("readings", mode=mode)
    assert readings.t("SELECT count(*) FROM readings") == "0"
    receipt = readings.copy("readings", mode=mode, on_reject="quarantine")
    assert (receipt.rows, receipt.rejected) == (99990, 1)
    assert readings.t("SELECT count(*) FROM readings") == "99989"
    kept = readings.t("SELECT content, reason FROM _etl_rejects")
    assert '"id": "99999"' in kept
    assert name in kept
    readings.tidy()


def test_a_key_that_the_new_rows_break_leaves_the_old_ones(readings: Pair) -> None:
    narrow(readings, ", UNIQUE (note)")
    readings.t("INSERT INTO readings VALUES (1, 1, 'old')")
    readings.s("DELETE FROM readings WHERE id % 10000 = 0", "UPDATE readings SET note = 'n5' WHERE id = 99999")
    with pytest.raises(Rejected, match=r"\(note\)=\(n5\) is duplicated"):
        readings.copy("readings", mode="replace", on_reject="quarantine")
    assert readings.t("SELECT note FROM readings") == "old"
    readings.tidy()


def test_rows_are_numbered_as_they_were_read_where_both_kinds_come_together(readings: Pair) -> None:
    narrow(readings, ", CHECK (id <> 10001)")
    receipt = readings.copy("readings", on_reject="quarantine")
    assert receipt.rejected == 11
    assert readings.t("SELECT row FROM _etl_rejects WHERE \"column\" = ''") == "10001"


def test_each_slice_of_a_large_table_keeps_its_own(readings: Pair) -> None:
    narrow(readings)
    receipt = readings.copy("readings", on_reject="quarantine", slice_rows=30000)
    assert (receipt.batches, receipt.rejected) == (4, 10)
    assert readings.t("SELECT sum(rows), sum(rejected), count(*) FROM _etl_ledger") == "99990|10|4"
    assert readings.t("SELECT count(DISTINCT batch_id) FROM _etl_rejects") == "4"


def test_a_ledger_of_before_gets_its_new_column_and_table(readings: Pair) -> None:
    narrow(readings)
    readings.t("ALTER TABLE readings ALTER value TYPE numeric")
    readings.copy("readings", mode="replace")
    readings.t("DROP TABLE _etl_rejects", "ALTER TABLE _etl_ledger DROP rejected", "DROP TABLE readings")
    narrow(readings)
    assert readings.copy("readings", mode="replace", on_reject="quarantine").rejected == 10


def test_a_source_that_fails_is_what_is_told(readings: Pair) -> None:
    narrow(readings)
    readings.s("CREATE VIEW broken AS SELECT id, 1 / (id - 70000) AS value, note FROM readings")
    with pytest.raises(Rejected, match="division by zero"):
        readings.copy("broken", "readings", on_reject="quarantine")
    assert readings.t("SELECT count(*) FROM readings") == "0"
