"""What a copy does not carry over is never claimed: comparing both sides tells it. And two sources in one target."""

import pytest
from copying import Pair

from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop


@pytest.fixture
def shop(pair: Pair) -> Pair:
    pair.s("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT g, 'v' FROM generate_series(1, 9) g")
    pair.copy("t", mode="merge")
    return pair


def told(pair: Pair) -> tuple[bool, int, int]:
    source, target = (pair.connector(one) for one in (pair.source, pair.target))
    ends = Ends(source.open_source, target.open_destination, target.open_source)
    found = transfer.run(pair.order("t", mode="merge", verify=True), ends, Progress(), Stop()).verification
    assert found
    return found.equal, found.source_rows, found.target_rows


def test_rows_deleted_at_the_source_stay_and_are_told(shop: Pair) -> None:
    assert told(shop) == (True, 9, 9)
    shop.s("DELETE FROM t WHERE id = 4")
    assert told(shop) == (False, 8, 9)
    shop.copy("t", mode="replace")
    shop.same("t")


def test_a_row_whose_key_has_changed_is_there_under_both_and_told(shop: Pair) -> None:
    shop.s("UPDATE t SET id = 100 WHERE id = 4")
    assert told(shop) == (False, 9, 10)
    assert shop.t("SELECT string_agg(id::text, ',' ORDER BY id) FROM t WHERE id IN (4, 100)") == "4,100"
    shop.copy("t", mode="replace")
    shop.same("t")


def test_two_sources_into_one_table_are_two_streams_that_do_not_touch(pair: Pair) -> None:
    shape = "(id int, v text, at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id))"
    pair.s(f"CREATE TABLE a {shape}", f"CREATE TABLE b {shape}")
    pair.t(f"CREATE TABLE t {shape}")
    options = {"key": ("id",), "cursor": "at", "look_back": 0}
    for number, name in enumerate(("a", "b", "a", "b")):
        pair.s(f"INSERT INTO {name} VALUES ({number}, '{name}')")
        pair.copy(name, "t", **options)
    assert pair.t("SELECT string_agg(id || v, ',' ORDER BY id) FROM t") == "0a,1b,2a,3b"
    assert pair.t("SELECT count(DISTINCT stream), sum(rows), bool_or(running) FROM _etl_ledger JOIN _etl_streams "
                  "USING (stream)") == "2|4|f"  # fmt: skip
