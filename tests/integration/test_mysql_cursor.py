"""Cursor runs from MariaDB miss nothing that the look-back reaches, and double nothing. Each in merge and in append."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import pytest
from copying import Pair
from mysql_copying import Database, PostgresEnd, Road

from etl_engine.errors import BadInput, Conflict

MODES = ("merge", "append")
EVENTS = "CREATE TABLE ev (id int PRIMARY KEY, v varchar(40), at datetime(6) DEFAULT CURRENT_TIMESTAMP(6))"
STRESS_SECONDS = 5.0


class Feed:
    """A table that others write to, copied again and again."""

    def __init__(self, road: Road, mode: str) -> None:
        self.road = road
        self.mode = mode
        self.options: dict[str, Any] = {"mode": mode, "cursor": "at", "key": ("id",), "look_back": 0}
        road.source.sql(EVENTS, "INSERT INTO ev (id, v) VALUES (0, 'first')")

    def run(self, **more: Any) -> Any:
        return self.road.copy("ev", **{**self.options, **more})

    @contextmanager
    def writer(self) -> Iterator[Any]:
        """A session whose transaction has begun."""
        server = self.road.source.server
        connection = pymysql.connect(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password,
            database=self.road.source.name,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            cursor.execute("SELECT COUNT(*) FROM ev")
            yield cursor
            connection.rollback()

    def judge(self) -> None:
        everything = "SELECT id, v, at FROM ev ORDER BY 1, 2, 3"
        source, target = self.road.source.sql(everything), self.road.target.sql(everything)
        if self.mode == "merge":
            assert target == source
        else:  # whatever is there now was appended, and no version twice
            there = target.splitlines()
            assert set(source.splitlines()) <= set(there)
            assert len(there) == len(set(there)), "a row was appended twice"
        chain = self.road.target.sql(
            "SELECT COALESCE(cursor_in, '-'), COALESCE(cursor_out, '-') FROM _etl_ledger ORDER BY committed_at"
        )
        lines = [line.split("\t") for line in chain.splitlines()]
        assert [line[0] for line in lines[1:]] == [line[1] for line in lines[:-1]], "the ledger's chain has a gap"


@pytest.fixture(params=MODES)
def feed(request: pytest.FixtureRequest, road: Road) -> Feed:
    return Feed(road, request.param)


def test_a_tie_at_the_border_is_read_once(feed: Feed) -> None:
    """Rows with the cursor's own value come after the run that read it."""
    at = "'2026-01-01 00:00:00.000001'"
    feed.road.source.sql(f"INSERT INTO ev VALUES (1, 'a', {at}), (2, 'b', {at})", "DELETE FROM ev WHERE id = 0")
    feed.run()
    feed.road.source.sql(f"INSERT INTO ev VALUES (3, 'c', {at})")
    feed.run()
    feed.judge()


def test_unchanged_data_is_not_appended_at_every_run(feed: Feed) -> None:
    for _ in range(3):
        feed.run()
    assert feed.road.target.sql("SELECT COUNT(*) FROM ev") == "1"
    feed.judge()


@pytest.mark.parametrize("look_back", [0, 60])
def test_a_row_committed_after_the_run_that_should_have_had_it(feed: Feed, look_back: int) -> None:
    with feed.writer() as late:
        late.execute("INSERT INTO ev (id, v) VALUES (1, 'late')")
        feed.road.source.sql("INSERT INTO ev (id, v) VALUES (2, 'newer')")
        feed.run(look_back=look_back)
        assert feed.road.target.sql("SELECT COUNT(*) FROM ev") == "2"
        late.connection.commit()
    feed.run(look_back=look_back)
    feed.judge()


def test_a_transaction_that_began_first_and_writes_after_the_run(feed: Feed) -> None:
    with feed.writer() as late:
        late.execute("SET @began = CURRENT_TIMESTAMP(6)")
        time.sleep(0.05)
        feed.road.source.sql("INSERT INTO ev (id, v) VALUES (2, 'newer')")
        feed.run()
        late.execute("INSERT INTO ev VALUES (1, 'with the time of its beginning', @began)")
        late.connection.commit()
    feed.run()
    feed.judge()


def test_a_late_update(feed: Feed) -> None:
    feed.road.source.sql("INSERT INTO ev (id, v) VALUES (1, 'a')")
    feed.run()
    with feed.writer() as late:
        late.execute("UPDATE ev SET v = 'changed', at = CURRENT_TIMESTAMP(6) WHERE id = 1")
        feed.road.source.sql("INSERT INTO ev (id, v) VALUES (2, 'newer')")
        feed.run()
        late.connection.commit()
    feed.run()
    feed.judge()


@pytest.mark.parametrize(
    "native", ["datetime", "datetime(3)", "timestamp(6)", "timestamp", "date", "bigint", "decimal(30,6)"]
)
def test_cursors_of_every_precision(feed: Feed, native: str) -> None:
    number = native.startswith(("bigint", "decimal"))
    values = (
        ["1", "9007199254740993", "9007199254740994"] if number else ["'2026-01-01'", "'2026-01-02'", "'2026-01-02'"]
    )
    feed.road.source.sql("DROP TABLE ev", f"CREATE TABLE ev (id int PRIMARY KEY, v varchar(40), at {native} NULL)")
    for number_of, value in enumerate(values):
        feed.road.source.sql(f"INSERT INTO ev VALUES ({number_of}, 'x', {value})")
        feed.run()
    feed.run()
    feed.judge()
    reached = feed.road.target.sql("SELECT cursor_out FROM _etl_ledger ORDER BY committed_at DESC LIMIT 1")
    assert values[-1].strip("'") in reached


def test_a_row_of_the_future_does_not_park_the_cursor(feed: Feed) -> None:
    feed.road.source.sql("INSERT INTO ev VALUES (1, 'far', '9999-12-31 23:59:59.999999')")
    feed.run()
    feed.road.source.sql("INSERT INTO ev (id, v, at) VALUES (2, 'now', CURRENT_TIMESTAMP(6) + INTERVAL 15 HOUR)")
    feed.run()
    feed.judge()


def test_rows_without_a_cursor_by_policy(feed: Feed) -> None:
    feed.road.source.sql("INSERT INTO ev VALUES (1, 'none', NULL)")
    with pytest.raises(BadInput, match="is NULL in some rows"):
        feed.run()
    feed.run(null_cursor="exclude")
    assert feed.road.target.sql("SELECT COUNT(*) FROM ev") == "1"
    if feed.mode == "merge":
        for _ in range(2):
            feed.run(null_cursor="include")
        feed.judge()


def test_an_empty_source_and_then_rows(feed: Feed) -> None:
    feed.road.source.sql("DELETE FROM ev")
    feed.run()
    feed.road.source.sql("INSERT INTO ev (id, v) VALUES (1, 'a')")
    feed.run()
    feed.judge()


@pytest.mark.parametrize("native", ["json", "geometry", "double", "varbinary(4)", "enum('a','b')", "time"])
def test_a_column_that_has_no_useful_order_is_refused(feed: Feed, native: str) -> None:
    feed.road.source.sql(f"ALTER TABLE ev ADD COLUMN c {native}")
    with pytest.raises(BadInput, match="no useful order"):
        feed.run(cursor="c")


def test_a_cursor_that_changed_its_type_is_told(feed: Feed) -> None:
    feed.run()
    feed.road.source.sql("ALTER TABLE ev MODIFY at datetime(3)")
    with pytest.raises(Conflict, match=r"was datetime\(6\) at the last run"):
        feed.run()


def test_an_account_that_may_not_see_others_gets_the_look_back_and_is_told(feed: Feed) -> None:
    server, source = feed.road.source.server, feed.road.source
    user = f"u{source.name[-8:]}"
    server.sql(
        f"CREATE USER {user}@'127.0.0.1' IDENTIFIED BY 'pw'", f"GRANT SELECT ON {source.name}.* TO {user}@'127.0.0.1'"
    )
    low = Road(Database(server, source.name, user, "pw"), feed.road.target)
    low.copy("ev", **{**feed.options, "look_back": 60})
    source.sql("INSERT INTO ev (id, v, at) VALUES (1, 'late', CURRENT_TIMESTAMP(6) - INTERVAL 20 SECOND)")
    receipt = low.copy("ev", **{**feed.options, "look_back": 60})
    assert any("GRANT PROCESS" in note for note in receipt.notes)
    feed.judge()
    server.sql(f"DROP USER {user}@'127.0.0.1'")


def test_a_longer_look_back_counts_from_the_run_that_is_given_it(feed: Feed) -> None:
    """What no run has kept in mind would be appended again."""
    feed.road.source.sql("INSERT INTO ev (id, v, at) VALUES (1, 'older', CURRENT_TIMESTAMP(6) - INTERVAL 20 SECOND)")
    feed.run()
    for _ in range(3):
        feed.run(look_back=60)
    feed.judge()
    feed.road.source.sql("INSERT INTO ev (id, v) VALUES (2, 'newer')")
    feed.run(look_back=60)
    feed.judge()


def test_a_text_cursor_follows_the_collation_of_its_column(feed: Feed) -> None:
    feed.road.source.sql(
        "DROP TABLE ev",
        "CREATE TABLE ev (id int PRIMARY KEY, v varchar(40), at varchar(20) COLLATE utf8mb4_general_ci)",
        "INSERT INTO ev VALUES (1, 'x', 'b'), (2, 'y', 'A')",
    )
    feed.run()
    feed.road.source.sql("INSERT INTO ev VALUES (3, 'z', 'B'), (4, 'w', 'it''s \\\\ c')")
    feed.run()
    feed.judge()


def test_a_query_is_followed_as_a_table_is(feed: Feed) -> None:
    options = {**feed.options, "query": "SELECT id, v, at FROM ev WHERE id >= 0", "target": "ev"}
    feed.road.copy(**options)
    feed.road.source.sql("INSERT INTO ev (id, v) VALUES (1, 'a')")
    feed.road.copy(**options)
    feed.judge()


def test_a_table_is_followed_to_postgresql(road: Road, pair: Pair) -> None:
    """Late rows are known again by the key that PostgreSQL keeps."""
    feed = Feed(Road(road.source, PostgresEnd(pair, pair.target)), "append")
    with feed.writer() as late:
        late.execute("INSERT INTO ev (id, v) VALUES (1, 'late')")
        feed.road.source.sql("INSERT INTO ev (id, v) VALUES (2, 'newer')")
        feed.run()
        late.connection.commit()
    for _ in range(2):
        feed.run()
    assert pair.t("SELECT id, v FROM ev ORDER BY id").splitlines() == ["0|first", "1|late", "2|newer"]


def test_a_clock_that_is_set_back_does_not_hide_the_last_run(feed: Feed) -> None:
    """The server's clock was ahead at the first run: by it, later runs are older."""
    feed.run()
    feed.road.target.sql("UPDATE _etl_ledger SET committed_at = committed_at + INTERVAL 1 HOUR")
    for number in (1, 2, 3):
        feed.road.source.sql(f"INSERT INTO ev (id, v) VALUES ({number}, 'more')")
        feed.run()
    assert feed.road.target.sql("SELECT COUNT(DISTINCT batch_id), COUNT(*) FROM _etl_ledger") == "4\t4"
    everything = "SELECT id, v, at FROM ev ORDER BY 1, 2, 3"
    assert feed.road.target.sql(everything) == feed.road.source.sql(everything)


def test_epochs_go_on_where_the_streams_were_lost(feed: Feed) -> None:
    for number in (1, 2):
        feed.road.source.sql(f"INSERT INTO ev (id, v) VALUES ({number}, 'more')")
        feed.run()
    feed.road.target.sql("DELETE FROM _etl_streams")
    for number in (3, 4):
        feed.road.source.sql(f"INSERT INTO ev (id, v) VALUES ({number}, 'more')")
        feed.run()
    feed.judge()


def test_half_a_dozen_writers_with_random_delays(feed: Feed) -> None:
    """Sequence and time are given out of order, committed or not; at the end nothing is missing and nothing double."""
    stop, failures = threading.Event(), []
    numbers, lock = iter(range(1, 1_000_000)), threading.Lock()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        try:
            with feed.writer() as cursor:
                while not stop.is_set():
                    cursor.connection.begin()
                    for _ in range(chance.randint(1, 4)):
                        with lock:
                            number = next(numbers)
                        cursor.execute("INSERT INTO ev (id, v) VALUES (%s, %s)", (number, f"writer {seed}"))
                        time.sleep(chance.uniform(0, 0.03))
                    cursor.connection.rollback() if chance.random() < 0.2 else cursor.connection.commit()
        except Exception as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(6)]
    for one in writers:
        one.start()
    until = time.monotonic() + STRESS_SECONDS
    runs = 0
    while time.monotonic() < until:
        feed.run(look_back=2)
        runs += 1
    stop.set()
    for one in writers:
        one.join(20)
    assert not failures
    feed.run(look_back=2)
    feed.judge()
    assert runs > 2
