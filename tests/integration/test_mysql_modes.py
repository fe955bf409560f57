"""Append, replace and merge with MariaDB at both ends, judged by the `mariadb` client."""

import threading
import time
from typing import Any

import pymysql
import pytest
from copying import eventually
from mysql_copying import BOOKS, Database, Road

from etl_engine.connectors.mysql import ledger, successor
from etl_engine.engine import transfer
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import BadInput, Cancelled, Conflict, Missing, Refused, Rejected, Throttled

ORDERS = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, code varchar(20), amount decimal(12,2), "
    "at datetime(6) NOT NULL, note text)"
)
SHAPE = (
    "SELECT column_name, column_type, is_nullable, column_key FROM information_schema.columns "
    "WHERE table_schema = DATABASE() AND table_name = '{}' ORDER BY ordinal_position"
)


@pytest.fixture
def shop(road: Road) -> Road:
    road.source.sql(
        ORDERS,
        "INSERT INTO orders SELECT seq, seq % 97, CONCAT('C', seq), seq / 7.0, "
        "TIMESTAMP('2026-01-01') + INTERVAL seq MINUTE, "
        "CASE WHEN seq % 3 = 0 THEN '' WHEN seq % 3 = 1 THEN 'tab\\there\\\\' END FROM seq_1_to_3000",
        "ANALYZE TABLE orders",
    )
    return road


def session(database: Database, **options: Any) -> "pymysql.Connection[Any]":
    server = database.server
    return pymysql.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        database=database.name,
        autocommit=False,
        **options,
    )


def test_a_new_target_has_the_types_not_nulls_and_key_of_the_source(shop: Road) -> None:
    receipt = shop.copy("orders")
    shop.same("orders")
    assert (receipt.rows, receipt.written, receipt.lane) == (3000, 3000, "typed")
    assert shop.target.sql(SHAPE.format("orders")) == shop.source.sql(SHAPE.format("orders"))
    assert shop.target.sql("SELECT SUM(`rows`), MAX(epoch) FROM _etl_ledger") == "3000\t1"
    assert shop.target.sql("SELECT running, intent FROM _etl_streams") == "0\t"


def test_appending_twice_is_two_deliberate_runs(shop: Road) -> None:
    for _ in range(2):
        shop.copy(query="SELECT id, note FROM orders", target="log")
    assert shop.target.sql("SELECT COUNT(*), COUNT(DISTINCT id) FROM log") == "6000\t3000"


def test_a_plan_writes_nothing(shop: Road) -> None:
    plan = shop.plan("orders")
    assert "PRIMARY KEY (`id`)" in plan.statements[0]
    assert shop.target.sql("SHOW TABLES") == ""


def test_rows_that_are_there_already_are_not_skipped_in_silence(shop: Road) -> None:
    """LOAD DATA LOCAL leaves a duplicate out and only warns of it."""
    shop.target.sql(ORDERS, "INSERT INTO orders VALUES (5, 1, 'mine', 1, NOW(6), 'mine')")
    with pytest.raises(Rejected, match="Duplicate entry '5' for key") as raised:
        shop.copy("orders")
    assert "merge" in raised.value.hint
    assert shop.target.sql("SELECT COUNT(*), MAX(code) FROM orders") == "1\tmine"


def test_a_value_that_the_server_would_bend_stops_the_copy(shop: Road) -> None:
    shop.target.sql("CREATE TABLE orders (id bigint PRIMARY KEY, code varchar(20), CHECK (id <> 2999))")
    with pytest.raises(Rejected, match="CONSTRAINT"):
        shop.copy(query="SELECT id, code FROM orders", target="orders")
    assert shop.target.sql("SELECT COUNT(*) FROM orders") == "0"
    shop.target.sql("DROP TABLE orders", "CREATE TABLE orders (id bigint PRIMARY KEY, code text CHARACTER SET latin1)")
    shop.source.sql("UPDATE orders SET code = '日本' WHERE id = 7")
    with pytest.raises(Rejected, match="Incorrect string value"):
        shop.copy(query="SELECT id, code FROM orders", target="orders")
    assert shop.target.sql("SELECT COUNT(*) FROM orders") == "0"


def test_null_is_not_filled_with_the_next_number_or_the_time(road: Road) -> None:
    """The server fills a NULL where it has a value of its own, and does not even warn."""
    road.source.sql(
        "CREATE TABLE t (id int, at timestamp(6) NULL)", "INSERT INTO t VALUES (1, '2024-01-01'), (NULL, NULL)"
    )
    for column, shape in (("id", "id int AUTO_INCREMENT PRIMARY KEY"), ("at", "at timestamp(6) NOT NULL")):
        road.target.sql("DROP TABLE IF EXISTS t", f"CREATE TABLE t ({shape})")
        with pytest.raises(Rejected, match=f"Row 2 has NULL in the column {column}"):
            road.copy(query=f"SELECT {column} FROM t", target="t")
        assert road.target.sql("SELECT COUNT(*) FROM t") == "0"


def test_zero_stays_zero_in_a_column_that_counts_up(road: Road) -> None:
    road.source.sql(
        "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (7)", "UPDATE t SET id = 0 WHERE id = 1"
    )
    road.target.sql("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY)")
    road.copy("t")
    road.same("t")


def test_replace_keeps_what_hangs_on_the_table(shop: Road) -> None:
    shop.target.sql(
        "CREATE TABLE orders (id bigint AUTO_INCREMENT PRIMARY KEY, customer int NOT NULL, "
        "code varchar(20) DEFAULT 'x', "
        "amount decimal(12,2), at datetime(6) NOT NULL, note text, twice bigint GENERATED ALWAYS AS (customer * 2), "
        "KEY by_code (code), UNIQUE KEY (id, customer), CHECK (amount >= 0)) AUTO_INCREMENT = 90000 COMMENT 'kept' "
        "ENGINE=InnoDB",
        "INSERT INTO orders (id, customer, at) VALUES (1, 2, NOW())",
        "CREATE VIEW looks AS SELECT COUNT(*) AS n FROM orders",
    )
    made = "SHOW CREATE TABLE orders"
    before = shop.target.sql(made)
    receipt = shop.copy("orders", mode="replace")
    assert any("beside the old one" in note for note in receipt.notes)
    assert shop.target.sql(made) == before
    assert shop.target.sql("SELECT n FROM looks") == "3000"
    assert shop.target.sql("SELECT SUM(twice) = 2 * SUM(customer) FROM orders") == "1"
    shop.tidy()


@pytest.mark.parametrize(
    ("hanging", "why"),
    [
        ("CREATE TRIGGER tr BEFORE INSERT ON orders FOR EACH ROW SET @seen = 1", "triggers"),
        (
            "CREATE TABLE c (id int PRIMARY KEY); INSERT INTO c SELECT seq FROM seq_0_to_96; "
            "ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES c (id)",
            "a foreign key",
        ),
    ],
)
def test_replace_fills_the_table_itself_where_too_much_hangs_on_it(shop: Road, hanging: str, why: str) -> None:
    shop.target.sql(ORDERS, "INSERT INTO orders VALUES (999999, 1, '', 1, NOW(6), '')", *hanging.split("; "))
    receipt = shop.copy("orders", mode="replace")
    assert any(why in note for note in receipt.notes)
    shop.same("orders")


def test_a_table_that_others_refer_to_is_not_emptied(shop: Road) -> None:
    shop.target.sql(
        ORDERS,
        "INSERT INTO orders VALUES (1, 1, '', 1, NOW(6), '')",
        "CREATE TABLE parts (order_id bigint, FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE)",
        "INSERT INTO parts VALUES (1)",
    )
    with pytest.raises(Rejected, match="refers to"):
        shop.copy("orders", mode="replace")
    assert shop.target.sql("SELECT COUNT(*) FROM parts") == "1"


def test_replace_with_no_rows_replaces_and_with_a_failure_does_not(shop: Road) -> None:
    shop.copy("orders")
    with pytest.raises(Rejected):
        shop.copy(
            query="SELECT id, customer, code, amount, at, IF(id = 2999, (SELECT id FROM orders), 0) note FROM orders",
            target="orders",
            mode="replace",
        )
    shop.same("orders")
    assert shop.copy(query="SELECT * FROM orders WHERE id < 0", target="orders", mode="replace").rows == 0
    assert shop.target.sql("SELECT COUNT(*) FROM orders") == "0"


def test_a_reader_never_sees_an_empty_or_mixed_table_during_replace(shop: Road) -> None:
    shop.copy("orders")
    seen, done = set(), threading.Event()

    def look() -> None:
        reader = session(shop.target)
        with reader, reader.cursor() as cursor:
            while not done.is_set():
                cursor.execute("SELECT COUNT(*), SUM(customer) FROM orders")
                seen.add(cursor.fetchone())
                reader.rollback()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        shop.source.sql("UPDATE orders SET customer = customer + 1000")
        for _ in range(5):
            shop.copy("orders", mode="replace")
    finally:
        done.set()
        thread.join(10)
    old = shop.source.sql("SELECT COUNT(*), SUM(customer - 1000) FROM orders").split("\t")
    new = shop.source.sql("SELECT COUNT(*), SUM(customer) FROM orders").split("\t")
    assert {(str(count), str(total)) for count, total in seen} == {tuple(old), tuple(new)}


def test_readers_that_do_not_end_keep_the_old_table_and_the_books_say_so(
    shop: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(successor, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(successor, "_ONE_TRY_SECONDS", 1)
    shop.copy("orders")
    old = shop.target.sql("SELECT * FROM orders ORDER BY 1")
    shop.source.sql("DELETE FROM orders WHERE id > 10")
    reader = session(shop.target)
    try:
        with reader.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM orders")
        destination = shop.target.connector().open_destination()
        with pytest.raises(Throttled, match="lock"):
            transfer._attempt(shop.order("orders", mode="replace"), shop.ends, Progress(), Stop(), transfer.Tally())
        destination.close()
    finally:
        reader.close()
    assert shop.target.sql("SELECT * FROM orders ORDER BY 1") == old
    assert shop.target.sql("SELECT SUM(`rows`) FROM _etl_ledger") == "3000"
    assert shop.target.sql("SELECT intent FROM _etl_streams WHERE running") == ""
    shop.tidy()
    assert shop.copy("orders", mode="replace").rows == 10
    shop.same("orders")


def test_merge_inserts_updates_and_leaves_others_alone(shop: Road) -> None:
    shop.target.sql(
        ORDERS, "INSERT INTO orders VALUES (1, 0, 'old', 0, NOW(6), 'old'), (99999, 0, 'mine', 0, NOW(6), 'mine')"
    )
    receipt = shop.copy("orders", mode="merge")
    assert receipt.written == 3000
    assert shop.target.sql("SELECT code FROM orders WHERE id IN (1, 99999) ORDER BY id") == "C1\nmine"
    shop.target.sql("DELETE FROM orders WHERE id = 99999")
    shop.same("orders")


@pytest.mark.parametrize("order", ["", " DESC"])
def test_of_a_key_that_comes_twice_the_newest_wins_whatever_the_order(road: Road, order: str) -> None:
    road.source.sql(
        "CREATE TABLE log (id int NOT NULL, at datetime(6), v varchar(10))",
        "INSERT INTO log VALUES (1, '2026-01-01', 'b'), (1, '2026-01-02', 'a'), (1, NULL, 'z'), (2, NULL, 'x'), "
        "(2, NULL, 'y'), (3, '2026-01-01', NULL), (3, '2026-01-01', 'only')",
    )
    query = f"SELECT * FROM log ORDER BY id, at{order}, v{order} LIMIT 100"
    receipt = road.copy(query=query, target="t", mode="merge", key=("id",), cursor="at", null_cursor="include")
    assert (receipt.rows, receipt.written) == (7, 3)
    assert road.target.sql("SELECT id, v FROM t ORDER BY id") == "1\ta\n2\ty\n3\tonly"


def test_a_second_unique_key_is_an_error_and_never_an_update_of_another_row(shop: Road) -> None:
    shop.target.sql(
        "CREATE TABLE orders (id bigint PRIMARY KEY, code varchar(20) NOT NULL, UNIQUE KEY (code))",
        "INSERT INTO orders VALUES (77777, 'C5'), (1, 'old')",
    )
    with pytest.raises(Rejected, match="Duplicate entry 'C5'"):
        shop.copy(query="SELECT id, code FROM orders", target="orders", mode="merge", key=("id",))
    assert shop.target.sql("SELECT * FROM orders ORDER BY id") == "1\told\n77777\tC5"
    shop.target.sql("DELETE FROM orders WHERE id = 77777")
    assert shop.copy(query="SELECT id, code FROM orders", target="orders", mode="merge", key=("id",)).written == 3000
    assert shop.target.sql("SELECT COUNT(*), SUM(code = CONCAT('C', id)) FROM orders") == "3000\t3000"


@pytest.mark.parametrize("already", [False, True])
def test_two_keys_of_the_source_that_are_one_to_the_target_are_told(road: Road, already: bool) -> None:
    road.source.sql(
        "CREATE TABLE t (k varchar(10) COLLATE utf8mb4_bin PRIMARY KEY, v int)",
        "INSERT INTO t VALUES ('a', 1), ('A', 2)",
    )
    road.target.sql("CREATE TABLE t (k varchar(10) COLLATE utf8mb4_general_ci PRIMARY KEY, v int)")
    query = "SELECT * FROM t"
    if already:
        road.copy(query="SELECT * FROM t WHERE v = 1", target="t", mode="merge", key=("k",))
        query = "SELECT * FROM t WHERE v = 2"
    with pytest.raises(Rejected, match="are two to the source and one to the collation"):
        road.copy(query=query, target="t", mode="merge", key=("k",))
    assert road.target.sql("SELECT COUNT(*) FROM t") == ("1" if already else "0")


def test_rows_without_a_key_are_refused_and_counted(road: Road) -> None:
    road.source.sql("CREATE TABLE t (k int, v int)", "INSERT INTO t VALUES (1, 1), (NULL, 2), (NULL, 3)")
    with pytest.raises(Rejected, match="2 rows have NULL in the key"):
        road.copy("t", mode="merge", key=("k",))
    assert road.target.sql("SHOW TABLES LIKE 't'") == ""


def test_new_columns_by_policy(shop: Road) -> None:
    shop.target.sql("CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL)")
    with pytest.raises(BadInput, match="does not have the columns"):
        shop.copy("orders", new_columns="fail", mode="merge")
    shop.copy("orders", new_columns="ignore", mode="merge")
    shop.copy("orders", new_columns="evolve", mode="merge")
    shop.target.sql("UPDATE orders SET note = 'gone'")
    shop.copy("orders", new_columns="evolve", mode="replace")
    shop.same("orders")
    shop.target.sql("DROP TABLE orders", "CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL)")
    shop.copy("orders", new_columns="evolve", mode="replace")
    shop.same("orders")


def test_a_table_without_transactions_is_refused(shop: Road) -> None:
    shop.target.sql(f"{ORDERS} ENGINE=MyISAM")
    with pytest.raises(Rejected, match="knows no transactions") as raised:
        shop.copy("orders")
    assert "ENGINE=InnoDB" in raised.value.hint


@pytest.mark.parametrize("name", ["order", "a`b", 'say "x"', "Größe und Maß", "sel%ect", "dot.ted", "n" * 64, "a b"])
def test_names_of_any_kind(road: Road, name: str) -> None:
    quoted = "`" + name.replace("`", "``") + "`"
    road.source.sql(
        f"CREATE TABLE {quoted} ({quoted} int, `a%s` varchar(9), `at` datetime, PRIMARY KEY ({quoted}))",
        f"INSERT INTO {quoted} VALUES (1, '%s%%', '2026-01-01'), (2, NULL, '2026-01-02')",
    )
    written = '"' + name.replace('"', '""') + '"'
    for mode in ("append", "replace", "merge"):
        assert road.copy(written, mode=mode).rows == 2
    assert road.target.sql(f"SELECT * FROM {quoted} ORDER BY 1") == road.source.sql(
        f"SELECT * FROM {quoted} ORDER BY 1"
    )
    road.target.sql(f"DROP TABLE {quoted}")
    for _ in range(2):
        road.copy(written, mode="append", cursor="at")
    assert road.target.sql(f"SELECT COUNT(*) FROM {quoted}") == "2"
    road.tidy()


def test_a_missing_table_is_told_with_the_nearest_names(shop: Road) -> None:
    with pytest.raises(Missing, match=r"did you mean .*orders\?"):
        shop.copy("ordes")
    with pytest.raises(Missing, match="no database nowhere"):
        shop.copy("nowhere.orders")


def test_the_same_table_is_not_copied_into_itself_whatever_it_is_called(shop: Road) -> None:
    itself = Road(shop.source, shop.source)
    for target in ("orders", f"{shop.source.name}.orders"):
        with pytest.raises(BadInput, match="the same table"):
            itself.copy("orders", target)
    with pytest.raises(BadInput, match="the same table"):
        Road(shop.source, shop.target).copy("orders", f"{shop.source.name}.orders")


def test_a_missing_right_comes_with_its_grant(shop: Road) -> None:
    server, target = shop.target.server, shop.target
    user = f"u{target.name[-8:]}"
    server.sql(
        f"CREATE USER {user}@'127.0.0.1' IDENTIFIED BY 'pw'", f"GRANT SELECT ON {target.name}.* TO {user}@'127.0.0.1'"
    )
    low = Database(server, target.name, user, "pw")
    target.sql(ORDERS)
    given = []
    for _ in range(12):
        try:
            for mode in ("append", "merge", "replace"):
                Road(shop.source, low).copy("orders", mode=mode)
                target.sql("DELETE FROM orders")
            break
        except Refused as refused:
            assert refused.hint.startswith("GRANT ") and refused.hint.endswith(f" TO '{user}'@'127.0.0.1';"), (
                refused.hint
            )
            given.append(refused.hint)
            server.sql(refused.hint.rstrip(";"))
    assert 1 <= len(given) <= 6, given
    with pytest.raises((Missing, Refused)) as raised:
        Road(Database(server, target.name, user, "pw"), shop.target).copy(f"{shop.source.name}.orders", "x")
    assert "GRANT SELECT" in raised.value.hint
    server.sql(f"DROP USER {user}@'127.0.0.1'")


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM orders",
        "SELECT 1; SELECT 2",
        "SELECT 1) AS x; DROP TABLE orders; SELECT (1",
        "SELECT id FROM orders /*! WHERE 1=1 */",
        "SELECT id, id FROM orders",
        "SELECT nothing FROM orders",
        "",
        "SELECT 'open",
        "SELECT * FROM orders INTO OUTFILE '/tmp/x'",
    ],
)
def test_a_query_that_is_not_one_select_is_refused(shop: Road, query: str) -> None:
    with pytest.raises((BadInput, Missing, Rejected, ValueError)):
        shop.copy(query=query, target="t")
    assert shop.source.sql("SELECT COUNT(*) FROM orders") == "3000"
    assert shop.target.sql("SHOW TABLES LIKE 't'") == ""


@pytest.mark.parametrize("mode", ["append", "merge", "replace"])
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_side_that_dies_in_the_middle_is_tried_again_and_nothing_doubles(shop: Road, mode: str, side: str) -> None:
    """KILL of the session that reads, or of the one that loads."""
    slow = "SELECT id, customer, code, amount, at, CONCAT(note, IF(id % 100 = 0, SLEEP(0.02), '')) AS note FROM orders"
    outcome: list[Any] = []
    thread = threading.Thread(
        target=lambda: outcome.append(_tried(shop, query=slow, target="orders", mode=mode, key=("id",)))
    )
    thread.start()
    mark = "LOAD DATA%" if side == "target" else "SELECT%SLEEP%"
    killed = threading.Event()

    def kill() -> bool:
        ids = shop.source.server.sql(
            f"SELECT id FROM information_schema.processlist WHERE info LIKE '{mark}' AND id <> CONNECTION_ID()"
        )
        for (one,) in ids:
            shop.source.server.sql(f"KILL {one}")
            killed.set()
        return killed.is_set()

    eventually(kill, "the kill")
    thread.join(60)
    assert not thread.is_alive()
    assert getattr(outcome[0], "rows", outcome[0]) == 3000
    assert shop.target.sql("SELECT COUNT(*), COUNT(DISTINCT id) FROM orders") == "3000\t3000"
    shop.tidy()


def _tried(road: Road, **options: Any) -> Any:
    try:
        return road.copy(**options)
    except BaseException as error:
        return error


@pytest.mark.parametrize("mode", ["append", "merge", "replace"])
def test_a_copy_that_is_stopped_ends_soon_and_leaves_the_target_as_it_was(shop: Road, mode: str) -> None:
    shop.target.sql(ORDERS, "INSERT INTO orders VALUES (999999, 1, 'mine', 1, '2026-01-01', '')")
    before = shop.target.sql("SELECT * FROM orders")
    stop, outcome = Stop(), []
    slow = "SELECT id, customer, code, amount, at, CONCAT(note, SLEEP(0.01)) AS note FROM orders"

    def work() -> None:
        order = shop.order(query=slow, target="orders", mode=mode, key=("id",))
        try:
            outcome.append(transfer.run(order, shop.ends, Progress(), stop))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    busy = (
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT%SLEEP%' AND id <> CONNECTION_ID()"
    )
    eventually(lambda: shop.source.server.sql(busy)[0][0] > 0, "the read")
    began = time.monotonic()
    stop.wish()
    thread.join(15)
    assert not thread.is_alive()
    assert isinstance(outcome[0], Cancelled), outcome
    assert time.monotonic() - began < 10
    assert shop.target.sql("SELECT * FROM orders") == before
    eventually(lambda: shop.source.server.sql(busy)[0][0] == 0, "the end of the read")
    assert shop.copy("orders", mode="merge").rows == 3000
    shop.tidy()


@pytest.mark.parametrize(
    "key",
    ["id bigint", "id int, b varchar(20)", "k varchar(40) COLLATE utf8mb4_general_ci", "u bigint unsigned",
     "d decimal(20,5)", "at datetime(6)", "h varbinary(20)", "dt date, n int", "g uuid", "f double",
     "e enum('z','y','x'), n int", "y year, n int"],
)  # fmt: skip
def test_parts_tile_for_any_key(road: Road, key: str) -> None:
    names = [part.split()[0] for part in key.split(", ")]
    values = {
        "id": "CAST(seq AS SIGNED) - 500", "b": "CONCAT('k', seq % 7)",
        "k": "CONCAT(CHAR(97 + seq % 26), '''\\\\', seq)",
        "u": "18446744073709551615 - seq", "d": "seq / 7.0",
        "at": "TIMESTAMP('2026-01-01') + INTERVAL seq * 1001 MICROSECOND",
        "h": "UNHEX(LPAD(HEX(seq * 37), 8, '0'))", "dt": "DATE('2026-01-01') + INTERVAL seq % 9 DAY", "n": "seq",
        "g": "CONCAT('6f9619ff-8b86-d011-b42d-', LPAD(HEX(seq * 7919), 12, '0'))", "f": "seq / 3e0",
        "e": "ELT(1 + seq % 3, 'z', 'y', 'x')", "y": "2000 + seq % 30",
    }  # fmt: skip
    road.source.sql(
        f"CREATE TABLE t ({key}, PRIMARY KEY ({', '.join(names)}))",
        f"INSERT INTO t SELECT {', '.join(values[name] for name in names)} FROM seq_1_to_1000",
        "ANALYZE TABLE t",
    )
    receipt = road.copy("t", slice_rows=90)
    assert receipt.rows == 1000
    assert receipt.batches > 5 or names[0] in ("f", "e")
    columns = ", ".join(f"HEX({name})" for name in names)
    query = f"SELECT {columns} FROM t ORDER BY {columns}"
    assert road.target.sql(query) == road.source.sql(query)


@pytest.mark.parametrize("exists", [False, True])
def test_rows_that_the_target_refuses_are_kept_apart(shop: Road, exists: bool) -> None:
    """What the check and the unique key of the target say no to is found row by row, in the batch's own transaction."""
    if exists:
        shop.target.sql(
            "CREATE TABLE orders (id bigint PRIMARY KEY, code varchar(20), CHECK (id <> 2999))",
            "INSERT INTO orders VALUES (5, 'mine')",
        )
        options = {"query": "SELECT id, code FROM orders", "target": "orders"}
    else:
        shop.source.sql("INSERT INTO orders VALUES (5000, 1, CONCAT('x', CHAR(0)), 1, NOW(6), 'fine')")
        options = {
            "query": "SELECT id, code FROM orders UNION ALL SELECT 5, 'twice'",
            "target": "orders",
            "key": ("id",),
        }
    receipt = shop.copy(on_reject="quarantine", **options)
    expected = {5, 2999} if exists else {5}
    kept = shop.target.sql("SELECT `row`, reason, content FROM _etl_rejects ORDER BY `row`").splitlines()
    assert receipt.rejected == len(kept) == len(expected)
    assert "Duplicate entry '5'" in "".join(kept)
    assert shop.target.sql("SELECT rejected FROM _etl_ledger") == str(len(expected))
    assert int(shop.target.sql("SELECT COUNT(*) FROM orders")) == (2999 if exists else 3001)
    with pytest.raises(Rejected, match="More than 1 rows"):
        shop.copy(on_reject="quarantine", reject_limit=1, **{**options, "target": "orders"})


def test_verify_says_what_differs(shop: Road) -> None:
    receipt = shop.copy("orders", mode="replace", verify=True)
    assert receipt.verification is not None and receipt.verification.equal
    shop.target.sql("CREATE TRIGGER bend BEFORE INSERT ON orders FOR EACH ROW SET NEW.code = 'bent'")
    receipt = shop.copy("orders", mode="replace", verify=True)
    assert receipt.verification is not None and not receipt.verification.equal
    assert receipt.verification.columns == ["code"]


def test_verify_knows_a_value_in_a_wider_type(road: Road) -> None:
    road.source.sql(
        "CREATE TABLE t (id int(9) zerofill PRIMARY KEY, d decimal(9,2), at datetime(3), f float, span time(2), "
        "c char(9) CHARACTER SET latin1)",
        "INSERT INTO t VALUES (1, 1.5, '2026-01-01 00:00:00.120', 0.1, '-100:00:00.5', 'é')",
        "INSERT INTO t VALUES (2, NULL, NULL, 1e30, NULL, '')",
    )
    road.target.sql(
        "CREATE TABLE t (id bigint PRIMARY KEY, d decimal(20,6), at datetime(6), f double, span time(6), c varchar(20))"
    )
    receipt = road.copy("t", verify=True)
    assert receipt.verification is not None and receipt.verification.equal, receipt.verification
    assert road.target.sql("SELECT f, d FROM t WHERE id = 1") == "0.10000000149011612\t1.500000"


def test_a_second_run_is_told_of_the_first_and_may_take_over(shop: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_PATIENCE_SECONDS", 0.3)
    first = shop.target.connector().open_destination()
    name, _ = first.resolve("orders")
    stream = transfer_stream(shop)
    old = first.claim(name, stream, "terms", fresh=False, take_over=False)
    with pytest.raises(Conflict, match="is at work"):
        shop.copy("orders")
    assert shop.copy("orders", take_over=True).epoch == old.epoch + 1
    shop.same("orders")
    first.close()


def transfer_stream(road: Road) -> str:
    from etl_engine.engine import batches

    destination = road.target.connector().open_destination()
    name, _ = destination.resolve("orders")
    destination.close()
    return batches.stream_of(road.order("orders"), name)


def test_a_line_that_is_cut_while_it_is_written_down_that_a_table_takes_a_name(shop: Road) -> None:
    """The commit says so, and the next claim does it: the old table stands until then."""
    shop.copy("orders")
    shop.target.sql("UPDATE orders SET code = 'old'")
    real = successor.take_place

    def die(session: Any, swap: Any) -> None:
        session.cut()
        real(session, swap)

    shop.source.sql("DELETE FROM orders WHERE id > 100")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(successor, "take_place", die)
        patch.setattr(transfer, "_ATTEMPTS", 1)
        with pytest.raises(Exception, match=r"committed|connection"):
            transfer._attempt(shop.order("orders", mode="replace"), shop.ends, Progress(), Stop(), transfer.Tally())
    assert shop.target.sql("SELECT COUNT(*), MIN(code) FROM orders") == "3000\told"
    assert shop.target.sql("SELECT COUNT(*) FROM _etl_streams WHERE intent <> ''") == "1"
    assert shop.copy("orders", mode="replace").rows == 100
    shop.same("orders")
    assert shop.target.sql("SELECT COUNT(*) FROM _etl_streams WHERE intent <> ''") == "0"


def test_the_books_are_of_tables_with_transactions(shop: Road) -> None:
    shop.copy("orders")
    engines = "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = DATABASE()"
    assert shop.target.sql(engines) == "InnoDB"
    shop.target.sql(f"DROP TABLE orders, {BOOKS}")


def test_a_server_that_asks_for_another_file_gets_none(shop: Road) -> None:
    """Any answer of a server may be the request for a file of the client's."""
    opened = shop.source.connector().open_source()
    connection = opened._session.connection
    assert connection._local_infile is False
    with connection.cursor() as cursor, pytest.raises(RuntimeError, match="LOAD_LOCAL"):
        cursor.execute("SET SESSION TRANSACTION READ WRITE")  # the server itself refuses it to a source
        cursor.execute("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE orders")
    opened.close()
