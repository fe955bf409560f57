"""A copy into MariaDB that fails or dies at any named point is finished by running it again."""

import os
import random
from typing import Any

import pytest
from copying import eventually
from dying import DIED, FAILED, in_child, kill_until_done
from mysql_copying import BOOKS, Road
from test_crash_points import AFTER_THE_COMMIT, PARTS_ONLY, POINTS, RUNS

# Loaded here, so that not every child that is to die has to load them first.
from etl_engine.connectors.mysql import destination, source

LOADED = (destination, source)
KILLS = int(os.environ.get("TEST_KILLS", "40"))
SEED = int(os.environ.get("TEST_SEED", "4"))
LONGEST_SECONDS = 0.7
ROWS = 1500
TABLE = "CREATE TABLE orders (id bigint PRIMARY KEY, v varchar(400), at datetime(6) NOT NULL)"
EVERYTHING = "SELECT id, MD5(v), at FROM orders ORDER BY 1, 2, 3"


def fill(road: Road, rows: int) -> None:
    road.source.sql(
        "DROP TABLE IF EXISTS orders",
        TABLE,
        f"INSERT INTO orders SELECT seq, REPEAT('x', seq % 300), NOW(6) - INTERVAL seq SECOND FROM seq_1_to_{rows}",
        "ANALYZE TABLE orders",
    )


def prepare(road: Road, mode: str) -> None:
    road.target.sql(f"DROP TABLE IF EXISTS orders, {BOOKS}")
    fill(road, ROWS)
    if mode != "append":
        road.target.sql(TABLE, "INSERT INTO orders SELECT seq, 'old', NOW(6) FROM seq_1_to_700")


def nobody_is_left(road: Road) -> Any:
    busy = (
        "SELECT COUNT(*) FROM information_schema.processlist "
        f"WHERE db IN ('{road.source.name}', '{road.target.name}') AND id <> CONNECTION_ID()"
    )
    return lambda: road.source.server.sql(busy)[0][0] == 0


def there(road: Road) -> list[str]:
    if not road.target.sql("SHOW TABLES LIKE 'orders'"):
        return []
    return road.target.sql(EVERYTHING).splitlines()


def as_it_should_be(road: Road) -> tuple[int, int]:
    """How many rows of the source are missing at the target, and how many are there too often."""
    counts: dict[str, int] = {}
    for row in road.source.sql(EVERYTHING).splitlines():
        counts[row] = counts.get(row, 0) + 1
    for row in there(road):
        counts[row] = counts.get(row, 0) - 1
    return sum(one for one in counts.values() if one > 0), -sum(one for one in counts.values() if one < 0)


@pytest.mark.parametrize("how", ["raise", "kill"])
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.timeout(600)
def test_a_copy_survives_every_point(road: Road, run: str, how: str) -> None:
    points = POINTS + (PARTS_ONLY if run.endswith("-parts") else ())
    if RUNS[run]["mode"] in ("append", "replace"):  # there a new table takes its name at the end
        points += AFTER_THE_COMMIT
    for point in points:
        survive(road, RUNS[run], point, how)


def survive(road: Road, options: dict[str, Any], point: str, how: str) -> None:
    mode = options["mode"]
    prepare(road, mode)
    old = there(road)
    name, _, passage = point.partition("@")
    ended = in_child(lambda: road.copy("orders", **options), points=f"{name}={how}{f'@{passage}' if passage else ''}")
    assert ended == (DIED if how == "kill" else FAILED), point
    eventually(nobody_is_left(road), "the end of the dead run's sessions")
    committed = int(road.target.sql("SELECT COALESCE(SUM(`rows`), 0) FROM _etl_ledger"))
    waiting = road.target.sql("SELECT COUNT(*) FROM _etl_streams WHERE intent <> ''") == "1"
    missing, doubled = as_it_should_be(road)
    if waiting:  # committed, and its table takes the name as the next one claims
        assert there(road) == old, f"{point}: the target is neither old nor new"
    elif mode == "append":
        assert (missing, doubled) == (ROWS - committed, 0), f"{point}: the ledger and the rows do not agree"
    elif not committed:
        assert there(road) == old, f"{point}: the target is neither old nor new"
    assert in_child(lambda: road.copy("orders", **options)) == 0, point
    road.same("orders")
    if mode == "append" and "cursor" not in options:  # a cursor run reads again what it then knows, and counts it
        assert road.target.sql("SELECT SUM(`rows`) FROM _etl_ledger") == str(ROWS), point
    once = (
        "SELECT COUNT(*) = COUNT(DISTINCT batch_id), (SELECT MAX(running) FROM _etl_streams), "
        "(SELECT MAX(intent) FROM _etl_streams) FROM _etl_ledger"
    )
    assert road.target.sql(once) == "1\t0\t", point


@pytest.mark.timeout(0)
def test_nothing_is_lost_or_doubled_however_often_a_copy_is_killed(road: Road) -> None:
    chance = random.Random(SEED)
    fill(road, 6000)
    orders: list[dict[str, Any]] = [
        {"mode": "append", "slice_rows": 700},
        {"mode": "append", "cursor": "at"},
        {"mode": "replace"},
        {"mode": "merge", "slice_rows": 700},
        {"mode": "merge", "cursor": "at"},
    ]
    died = loads = 0
    while died < KILLS:
        options = orders[loads % len(orders)]
        if loads % 10 < 5:  # a new target and an existing one by turns
            road.target.sql(f"DROP TABLE IF EXISTS orders, {BOOKS}")
        else:
            road.target.sql(f"DROP TABLE IF EXISTS {BOOKS}", "DELETE FROM orders")
        died += kill_until_done(
            lambda options=options: road.copy("orders", **options),
            chance,
            LONGEST_SECONDS,
            lambda: (
                road.target.sql("SHOW TABLES LIKE '_etl_streams'") != ""
                # a stream is noted, with the epoch 0, before it is claimed
                and road.target.sql("SELECT running = 0 AND epoch > 0 FROM _etl_streams") == "1"
            ),
        )
        loads += 1
        assert as_it_should_be(road) == (0, 0), f"{options}, seed {SEED}, load {loads}"
        if options["mode"] == "append" and "cursor" not in options:
            assert road.target.sql("SELECT SUM(`rows`) FROM _etl_ledger") == "6000"
    eventually(nobody_is_left(road), "the end of all sessions")
    print(f"{died} kills in {loads} loads, seed {SEED}")
