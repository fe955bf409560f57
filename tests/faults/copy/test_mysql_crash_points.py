"""A copy into MariaDB that fails or dies at any named point is finished by running it again."""

from typing import Any

import pytest
from amount import KILLS, SEED, some
from copying import eventually
from dying import DIED, FAILED, in_child
from killing import kill
from killing_servers import TABLE, OfMariadb, fill_mariadb, mariadb_difference, mariadb_rows, nobody_is_left
from mysql_copying import BOOKS, Road
from test_crash_points import AFTER_THE_COMMIT, PARTS_ONLY, POINTS, RUNS

ROWS = 1500


def prepare(road: Road, mode: str) -> None:
    road.target.sql(f"DROP TABLE IF EXISTS orders, {BOOKS}")
    fill_mariadb(road, ROWS)
    if mode != "append":
        road.target.sql(TABLE, "INSERT INTO orders SELECT seq, 'old', NOW(6) FROM seq_1_to_700")


@pytest.mark.parametrize("how", ["raise", "kill"])
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.timeout(600)
def test_a_copy_survives_every_point(road: Road, run: str, how: str) -> None:
    points = POINTS + (PARTS_ONLY if run.endswith("-parts") else ())
    if RUNS[run]["mode"] in ("append", "replace"):  # there a new table takes its name at the end
        points += AFTER_THE_COMMIT
    for point in some(points, run, RUNS, turn=int(how == "kill")):
        survive(road, RUNS[run], point, how)


def survive(road: Road, options: dict[str, Any], point: str, how: str) -> None:
    mode = options["mode"]
    prepare(road, mode)
    old = mariadb_rows(road)
    name, _, passage = point.partition("@")
    ended = in_child(lambda: road.copy("orders", **options), points=f"{name}={how}{f'@{passage}' if passage else ''}")
    assert ended == (DIED if how == "kill" else FAILED), point
    eventually(nobody_is_left(road), "the end of the dead run's sessions")
    committed = int(road.target.sql("SELECT COALESCE(SUM(`rows`), 0) FROM _etl_ledger"))
    waiting = road.target.sql("SELECT COUNT(*) FROM _etl_streams WHERE intent <> ''") == "1"
    missing, doubled = mariadb_difference(road)
    if waiting:  # committed, and its table takes the name as the next one claims
        assert mariadb_rows(road) == old, f"{point}: the target is neither old nor new"
    elif mode == "append":
        assert (missing, doubled) == (ROWS - committed, 0), f"{point}: the ledger and the rows do not agree"
    elif not committed:
        assert mariadb_rows(road) == old, f"{point}: the target is neither old nor new"
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
    tally = kill(OfMariadb(road), KILLS, SEED)
    assert tally.clean, tally.wrong
