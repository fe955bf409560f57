"""Cursor runs miss nothing and double nothing: late commits, ties, NULLs, restarts. Each in merge and in append.

In merge the target equals the source; in append every version that a row had at some run is there once.
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest
from copying import Pair

from etl_engine.errors import BadInput, Conflict

MODES = ("merge", "append")
STRESS_SECONDS = float(os.environ.get("TEST_STRESS_SECONDS", "8"))
EVENTS = "CREATE TABLE ev (id int PRIMARY KEY, v text, at timestamptz DEFAULT now())"
INSERT = "INSERT INTO ev (id, v) VALUES ({}, '{}')"


class Feed:
    """A table that others write to, copied again and again."""

    def __init__(self, pair: Pair, mode: str) -> None:
        self.pair = pair
        self.mode = mode
        self.options: dict[str, Any] = {"mode": mode, "cursor": "at", "key": ("id",), "look_back": 0}
        pair.s(EVENTS, INSERT.format(0, "first"))

    def run(self, **more: Any) -> Any:
        return self.pair.copy("ev", **{**self.options, **more})

    @contextmanager
    def writer(self) -> Iterator[Any]:
        """A session that begins a transaction now."""
        server = self.pair.server
        connection = psycopg2.connect(
            host=server.host, port=server.port, user=server.user, password=server.password, dbname=self.pair.source
        )
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT now()")
            yield cursor
            connection.rollback()

    def judge(self) -> None:
        if self.mode == "merge":
            self.pair.same("ev")
        else:  # whatever is there now was appended, and no version twice
            there = self.pair.t("SELECT id, v, at FROM ev").splitlines()
            assert set(self.pair.s("SELECT id, v, at FROM ev").splitlines()) <= set(there)
            assert len(there) == len(set(there)), "a row was appended twice"
        outs, ins = (
            self.pair.t(f"SELECT coalesce({one}, '-') FROM _etl_ledger ORDER BY committed_at").splitlines()
            for one in ("cursor_out", "cursor_in")
        )
        assert ins[1:] == outs[:-1], "the ledger's chain has a gap"


@pytest.fixture(params=MODES)
def feed(request: pytest.FixtureRequest, pair: Pair) -> Feed:
    return Feed(pair, request.param)


def test_a_tie_at_the_border_is_read_once(feed: Feed) -> None:
    """Airbyte #15427, #14732; sling #36."""
    feed.pair.s("INSERT INTO ev SELECT g, 'tie', '2024-05-05' FROM generate_series(1, 50) g")
    feed.pair.s("DELETE FROM ev WHERE id = 0")
    feed.run()
    feed.pair.s("INSERT INTO ev SELECT g, 'tie later', '2024-05-05' FROM generate_series(51, 60) g")
    assert feed.run().written == 10
    assert feed.run().written == 0
    feed.judge()


def test_a_clock_that_is_set_back_does_not_hide_the_last_run(feed: Feed) -> None:
    """The target's clock was ahead at the first run; after the second one its streams were lost."""
    feed.run()
    feed.pair.t("UPDATE _etl_ledger SET committed_at = committed_at + interval '1 hour'")
    for number in (1, 2, 3):
        feed.pair.s(INSERT.format(number, "more"))
        feed.run()
        if number == 2:
            feed.pair.t("DELETE FROM _etl_streams")
    assert feed.pair.t("SELECT count(DISTINCT batch_id), count(*) FROM _etl_ledger") == "4|4"
    assert feed.pair.t("SELECT id FROM ev ORDER BY 1") == feed.pair.s("SELECT id FROM ev ORDER BY 1")


def test_unchanged_data_is_not_appended_at_every_run(feed: Feed) -> None:
    """Airbyte #82131, ingestr and sling: `>=` with unchanged data."""
    for _ in range(4):
        feed.run()
    assert feed.pair.t("SELECT count(*) FROM ev") == "1"
    feed.judge()


@pytest.mark.parametrize("look_back", [0, 300])
def test_a_row_committed_after_the_run_that_should_have_had_it(feed: Feed, look_back: int) -> None:
    """Airbyte #80152, #85918; dlt #2269: the timestamp was taken before the previous run."""
    feed.options["look_back"] = look_back
    with feed.writer() as late:
        late.execute(INSERT.format(1, "late"))
        feed.pair.s(INSERT.format(2, "early"))
        feed.run()
        late.execute("COMMIT")
    assert feed.run().written == (1 if feed.mode == "append" else 2)  # what is read twice is merged again
    feed.run()
    feed.judge()


def test_a_transaction_that_began_first_and_writes_after_the_run(feed: Feed) -> None:
    with feed.writer() as late:
        feed.pair.s(INSERT.format(2, "early"))
        feed.run()
        late.execute(INSERT.format(1, "late"))
        late.execute("COMMIT")
    feed.run()
    feed.run()
    feed.judge()


def test_the_transaction_that_began_first_has_the_younger_id(feed: Feed) -> None:
    with feed.writer() as late:
        feed.pair.s(INSERT.format(2, "early"))
        late.execute(INSERT.format(1, "late"))
        feed.run()
        late.execute("COMMIT")
    feed.run()
    feed.run()
    feed.judge()


def test_a_row_written_under_a_savepoint(feed: Feed) -> None:
    with feed.writer() as late:
        late.execute("SELECT pg_current_xact_id()")
        late.execute("SAVEPOINT s")
        late.execute(INSERT.format(1, "late"))
        feed.pair.s(INSERT.format(2, "early"))
        feed.run()
        late.execute("COMMIT")
    feed.run()
    feed.run()
    feed.judge()


def test_a_late_update(feed: Feed) -> None:
    feed.run()
    with feed.writer() as late:
        late.execute("UPDATE ev SET v = 'updated', at = now() WHERE id = 0")
        feed.pair.s(INSERT.format(2, "early"))
        feed.run()
        late.execute("COMMIT")
    feed.run()
    feed.run()
    feed.judge()


def test_a_late_row_that_is_frozen_before_the_next_run(feed: Feed) -> None:
    with feed.writer() as late:
        late.execute(INSERT.format(1, "late"))
        feed.pair.s(INSERT.format(2, "early"))
        feed.run()
        late.execute("COMMIT")
    feed.pair.s("VACUUM FREEZE ev")
    feed.run()
    feed.judge()


def test_rows_of_a_table_that_was_rewritten_are_not_taken_for_new_ones(feed: Feed) -> None:
    feed.pair.s("INSERT INTO ev SELECT g, 'x', now() FROM generate_series(1, 20) g")
    feed.run()
    feed.pair.s("ALTER TABLE ev ALTER id TYPE bigint", "ALTER TABLE ev ALTER id TYPE int")
    assert feed.run().written == (0 if feed.mode == "append" else 20)
    feed.judge()


def test_an_update_that_does_not_move_the_cursor_is_not_promised(feed: Feed) -> None:
    """Only what moves the cursor is found, below the border; the target keeps the version it has."""
    feed.pair.s("UPDATE ev SET at = '2024-01-01'", "INSERT INTO ev VALUES (1, 'x', '2024-06-01')")
    feed.run()
    feed.pair.s("UPDATE ev SET v = 'silent' WHERE id = 0")
    feed.run()
    assert feed.pair.t("SELECT v FROM ev WHERE id = 0") == "first"


def test_a_row_deleted_and_inserted_again(feed: Feed) -> None:
    feed.run()
    feed.pair.s("DELETE FROM ev WHERE id = 0", INSERT.format(0, "again"))
    feed.run()
    feed.run()
    feed.judge()
    assert feed.pair.t("SELECT count(*) FROM ev") == ("1" if feed.mode == "merge" else "2")


def test_a_later_change_on_the_same_day_of_a_date_cursor(feed: Feed) -> None:
    """Airbyte PR #44402."""
    feed.pair.s("ALTER TABLE ev ALTER at TYPE date", "ALTER TABLE ev ALTER at SET DEFAULT current_date")
    feed.run()
    feed.pair.s(INSERT.format(1, "same day"), "UPDATE ev SET v = 'changed' WHERE id = 0")
    feed.run()
    feed.judge()


@pytest.mark.parametrize("native", ["timestamp", "timestamp(0)", "timestamptz(3)", "timestamptz(0)"])
def test_cursors_of_every_precision_and_without_a_zone(feed: Feed, native: str) -> None:
    """sling #471, #356: a cursor cut to fewer digits reads rows again, or skips them."""
    feed.pair.s(f"ALTER TABLE ev ALTER at TYPE {native}")
    feed.pair.s("ALTER TABLE ev ALTER at SET DEFAULT now()")
    for number in range(1, 5):
        feed.pair.s("SET TimeZone = 'Pacific/Kiritimati'", INSERT.format(number, "x"))
        feed.run()
        feed.judge()
    assert feed.run().written == 0 or feed.mode == "merge"


@pytest.mark.parametrize(
    ("native", "value"),
    [
        ("text", "to_char(id, 'FM0000')"),
        ('text COLLATE "C"', "chr(64 + id)"),
        ("varchar(9)", "to_char(id, 'FM0000')"),
        ("uuid", "lpad(id::text, 32, '0')::uuid"),
    ],
)
def test_texts_and_uuids_that_only_grow_are_followed(feed: Feed, native: str, value: str) -> None:
    feed.pair.s(f"ALTER TABLE ev DROP at, ADD at {native}", f"UPDATE ev SET at = {value}")
    for number in (9, 10, 11):  # the text of 10 is before that of 9, unless it is filled up
        feed.pair.s(INSERT.format(number, "x"), f"UPDATE ev SET at = {value} WHERE at IS NULL")
        assert feed.run().written >= 1
        feed.judge()
    assert feed.run().written == 0 or feed.mode == "merge"


def test_a_row_of_the_future_does_not_park_the_cursor(feed: Feed) -> None:
    feed.pair.s("INSERT INTO ev VALUES (1, 'far', '9999-12-31'), (2, 'further', 'infinity')")
    feed.run()
    feed.pair.s(INSERT.format(3, "now"))
    assert feed.run().written == 1
    feed.judge()


def test_number_cursors_commit_out_of_order(feed: Feed) -> None:
    feed.pair.s("DROP TABLE ev", "CREATE TABLE ev (id serial PRIMARY KEY, v text, at timestamptz DEFAULT now())")
    feed.options["cursor"] = "id"
    with feed.writer() as late:
        late.execute("INSERT INTO ev (v) VALUES ('low, late')")
        feed.pair.s("INSERT INTO ev (v) VALUES ('high, early')")
        feed.run()
        late.execute("COMMIT")
    assert feed.run().written == (1 if feed.mode == "append" else 2)
    feed.run()
    feed.judge()


def test_a_prepared_transaction(postgres_server_prepared: Pair) -> None:
    for mode in MODES:
        pair = postgres_server_prepared
        feed = Feed(pair, mode)
        with feed.writer() as late:
            late.execute(INSERT.format(1, "late"))
            late.execute("PREPARE TRANSACTION 'p'")
        feed.pair.s(INSERT.format(2, "early"))
        feed.run()
        feed.run()
        feed.pair.s("COMMIT PREPARED 'p'")
        feed.run()
        feed.run()
        feed.judge()
        pair.s("DROP TABLE ev")
        pair.t("DROP TABLE ev, _etl_ledger, _etl_streams, _etl_seen")


@pytest.fixture(scope="module")
def postgres_server_prepared() -> Iterator[Pair]:
    from servers import start_postgres, temporary

    with temporary(start_postgres, settings={"max_prepared_transactions": "5"}) as server:
        server.sql("CREATE DATABASE a", "CREATE DATABASE b")
        yield Pair(server, "a", "b")


def test_rows_without_a_cursor_by_policy(feed: Feed) -> None:
    """sling #380: a NULL key never selected; Rivet: a NULL froze the cursor."""
    feed.pair.s("INSERT INTO ev VALUES (1, 'null', NULL)")
    with pytest.raises(BadInput, match="at is NULL in some rows"):
        feed.run()
    assert feed.pair.t("SELECT to_regclass('ev') IS NULL") == "t"
    feed.run(null_cursor="exclude")
    feed.pair.s(INSERT.format(2, "more"))
    feed.run(null_cursor="exclude")
    assert feed.pair.t("SELECT string_agg(id::text, ',' ORDER BY id) FROM ev") == "0,2"
    if feed.mode == "merge":
        feed.run(null_cursor="include")
        feed.judge()


def test_an_empty_source_and_then_rows(feed: Feed) -> None:
    """The MAX of an empty table is NULL."""
    feed.pair.s("TRUNCATE ev")
    feed.run()
    feed.run()
    feed.pair.s(INSERT.format(1, "x"))
    assert feed.run().written == 1
    feed.judge()


@pytest.mark.parametrize("native", ["jsonb", "boolean", "point", "double precision"])
def test_a_column_that_has_no_useful_order_is_refused(feed: Feed, native: str) -> None:
    feed.pair.s(f"ALTER TABLE ev DROP at, ADD at {native}")
    with pytest.raises(BadInput, match="no useful order"):
        feed.run()
    with pytest.raises(BadInput, match="no column 'att' to follow"):
        feed.run(cursor="att")


def test_a_table_made_again_under_its_name_is_not_followed(feed: Feed) -> None:
    feed.run()
    feed.pair.s("DROP TABLE ev", EVENTS, INSERT.format(5, "other"))
    with pytest.raises(Conflict, match="dropped and made again"):
        feed.run()
    feed.pair.t("TRUNCATE ev")
    feed.run(restart=True)
    feed.pair.same("ev")


def test_a_cursor_that_changed_its_type_is_told(feed: Feed) -> None:
    """dlt #3735, #4015."""
    feed.run()
    feed.pair.s("ALTER TABLE ev ALTER at TYPE timestamp")
    with pytest.raises((Conflict, BadInput), match=r"was timestamp with time zone|zone would be guessed"):
        feed.run()


def test_a_role_that_may_not_look_at_others_gets_the_look_back_and_is_told(feed: Feed) -> None:
    pair = feed.pair
    pair.server.sql("DROP ROLE IF EXISTS copy_blind", "CREATE ROLE copy_blind LOGIN PASSWORD 'blind'")
    pair.s("GRANT SELECT ON ev TO copy_blind")
    pair.t("GRANT CREATE ON SCHEMA public TO copy_blind")
    blind = Pair(pair.server, pair.source, pair.target, "copy_blind", "blind")
    feed.options["look_back"] = 60
    with feed.writer() as late:
        late.execute(INSERT.format(1, "late"))
        pair.s(INSERT.format(2, "early"))
        blind.copy("ev", **feed.options)
        late.execute("COMMIT")
    notes = blind.copy("ev", **feed.options).notes
    assert "may not see when others began" in " ".join(notes)
    feed.judge()
    pair.t("DROP OWNED BY copy_blind")


def test_a_query_is_followed_with_the_look_back(feed: Feed) -> None:
    feed.options |= {"look_back": 60, "query": "SELECT id, v, at FROM ev"}
    feed.pair.copy(target="ev", **feed.options)
    feed.pair.s("INSERT INTO ev VALUES (1, 'a little late', now() - interval '30 s')", INSERT.format(2, "x"))
    receipt = feed.pair.copy(target="ev", **feed.options)
    assert "60 s behind the cursor" in " ".join(receipt.notes)
    feed.pair.copy(target="ev", **feed.options)
    feed.judge()


def test_a_dozen_writers_with_random_delays(feed: Feed) -> None:
    """Row by row at the end; TEST_STRESS_SECONDS for longer."""
    end, pair = time.monotonic() + STRESS_SECONDS, feed.pair
    pair.s("CREATE INDEX ON ev (at)")

    def write(number: int) -> None:
        chance = random.Random(number)
        mine: list[int] = []
        with feed.writer() as cursor:
            while time.monotonic() < end:
                for _ in range(chance.randint(1, 4)):
                    if chance.random() < 0.3:
                        cursor.execute("SAVEPOINT s")
                    if mine and chance.random() < 0.4:
                        row = chance.choice(mine)
                        cursor.execute(f"UPDATE ev SET v = v || '{number}', at = now() WHERE id = {row}")
                    else:
                        mine.append(number * 1_000_000 + len(mine) + 1)
                        cursor.execute(INSERT.format(mine[-1], number))
                    time.sleep(chance.random() * 0.05)
                cursor.connection.commit()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(1, 13)]
    for writer in writers:
        writer.start()
    runs = 0
    while any(writer.is_alive() for writer in writers):
        feed.run()
        runs += 1
    feed.run()
    feed.run()
    assert runs > 3
    if feed.mode == "append":  # several versions of a row are there; its last one once
        pair.t("CREATE TABLE last AS SELECT DISTINCT ON (id) id, v, at FROM ev ORDER BY id, at DESC, length(v) DESC")
        assert pair.t("SELECT * FROM last ORDER BY id") == pair.s("SELECT * FROM ev ORDER BY id")
    feed.judge()
