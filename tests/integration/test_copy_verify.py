"""Both sides read again after a copy, where their servers cannot be asked for one hash."""

from collections.abc import Callable

import pytest
from copying import Pair

from etl_engine.connectors.rows import Source
from etl_engine.engine import transfer, verifying
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import NotCapable
from etl_engine.model.copies import CopyReceipt, Verification


def shape(number: str, amount: str) -> str:
    columns = f"id {number} PRIMARY KEY, amount {amount}, at timestamptz, note text, raw bytea, tags int[]"
    return f"CREATE TABLE orders ({columns})"


@pytest.fixture
def orders(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Two ends that are taken for ends of two engines."""
    monkeypatch.setattr(verifying, "same_engine", lambda *_: False)
    pair.s(
        shape("bigint", "numeric"),
        "INSERT INTO orders SELECT g, g / 7.0, now() - g * interval '1 min', CASE WHEN g % 3 > 0 THEN 'n' || g END, "
        "decode(md5(g::text), 'hex'), ARRAY[g, NULL] FROM generate_series(1, 20000) g",
        "ANALYZE orders",
    )
    return pair


def copied(pair: Pair, between: Callable[[], object] = lambda: None, **options: object) -> Verification:
    """Something may happen at the target between the commit and the second look."""

    def reader() -> Source:
        between()
        opened: Source = pair.connector(pair.target).open_source()
        return opened

    ends = Ends(pair.ends.source, pair.ends.destination, reader)
    order = pair.order("orders", lane="typed", verify=True, **options)
    receipt: CopyReceipt = transfer.run(order, ends, Progress(), Stop())
    assert receipt.verification
    return receipt.verification


def test_both_sides_are_equal(orders: Pair) -> None:
    found = copied(orders)
    assert (found.equal, found.source_rows, found.target_rows, found.columns) == (True, 20000, 20000, [])
    assert found.seconds > 0


def test_types_of_the_target_that_write_a_value_otherwise_are_no_difference(orders: Pair) -> None:
    orders.t(shape("numeric", "numeric(30,20)"))
    assert copied(orders).equal


def test_a_value_that_changed_is_told_by_its_column(orders: Pair) -> None:
    found = copied(orders, lambda: orders.t("UPDATE orders SET note = NULL WHERE id = 7"))
    assert (found.equal, found.columns) == (False, ["note"])
    found = copied(orders, lambda: orders.t("DELETE FROM orders WHERE id = 9"), mode="replace")
    assert (found.equal, found.source_rows, found.target_rows) == (False, 20000, 19999)


def test_appending_is_compared_by_what_was_added(orders: Pair) -> None:
    orders.t(
        "CREATE TABLE orders AS SELECT 0::bigint AS id, 1::numeric AS amount, now() AS at, ''::text AS note, "
        "''::bytea AS raw, '{}'::int[] AS tags"
    )
    assert copied(orders).equal


def test_a_cursor_run_is_compared_wholly(orders: Pair) -> None:
    assert copied(orders, mode="merge", cursor="at").equal
    orders.s("INSERT INTO orders VALUES (20001, 1, now(), 'late', NULL, NULL)")
    found = copied(orders, mode="merge", cursor="at")
    assert (found.equal, found.target_rows) == (True, 20001)


def test_rows_that_were_kept_apart_are_on_neither_side(orders: Pair) -> None:
    orders.t(shape("bigint", "numeric(5,0)"))
    found = copied(orders, on_reject="quarantine", reject_limit=None)
    assert found.equal
    assert found.source_rows == 20000 // 7


def test_a_target_that_cannot_be_read_says_so_before_anything_is_written(orders: Pair) -> None:
    with pytest.raises(NotCapable, match="cannot be read again"):
        orders.copy("orders", lane="typed", verify=True)
    assert orders.t("SELECT to_regclass('orders') IS NULL") == "t"
