"""Copies into SQLite and DuckDB files that fail or die, at named points and at random moments; TEST_KILLS for more."""

import collections
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dying import DIED, FAILED
from file_copies import Files

KILLS = int(os.environ.get("TEST_KILLS", "50"))
SEED = int(os.environ.get("TEST_SEED", "4"))
LONGEST_SECONDS = 0.8
ROWS = 1500
POINTS = (
    "copy.claimed",
    "copy.snapshot",
    "copy.loading",
    "copy.loaded",
    "copy.applied",
    "copy.recorded",
    "copy.committing",
    "copy.committed",
    "copy.finishing",
)
PARTS_ONLY = ("copy.planned", "copy.loading@3", "copy.loaded@3", "copy.recorded@3", "copy.committing@3")
RUNS: dict[str, dict[str, Any]] = {
    "append": {"mode": "append"},
    "append-parts": {"mode": "append", "slice_rows": 300},
    "append-cursor": {"mode": "append", "cursor": "seen"},
    "replace": {"mode": "replace"},
    "merge-parts": {"mode": "merge", "slice_rows": 300},
    "merge-cursor": {"mode": "merge", "cursor": "seen"},
}
TARGETS = ("into.db", "into.duckdb")
FILL = (
    "WITH RECURSIVE n (g) AS (VALUES (1) UNION ALL SELECT g + 1 FROM n LIMIT {}) "
    "INSERT INTO orders SELECT g, 'v' || hex(zeroblob(g % 90)), datetime('2024-01-01', g || ' seconds') FROM n"
)
BOOKS = ("_etl_ledger", "_etl_streams", "_etl_seen", "_etl_rejects", "orders")


def made(folder: Path, target: str, rows: int) -> Files:
    files = Files(folder, "from.db", target)
    files.s("CREATE TABLE orders (id INTEGER PRIMARY KEY, v TEXT, seen TIMESTAMP NOT NULL)", FILL.format(rows))
    return files


CHILD = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from file_copies import Files
from etl_engine import faultpoints
files = Files(Path(sys.argv[2]), "from.db", sys.argv[3], made=True)
faultpoints.arm(sys.argv[5])
print("ready", flush=True)
try:
    files.copy("orders", **json.loads(sys.argv[4]))
except faultpoints.FaultInjected:
    os._exit(3)
"""


def in_child(files: Files, options: dict[str, Any], *, points: str = "", kill_after: float | None = None) -> int:
    """How a process of its own ends that copies; DuckDB does not outlive a fork."""
    tests = str(Path(__file__).parents[2])
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, tests, str(files.folder), files.target, json.dumps(options), points],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout and child.stdout.readline() == "ready\n", child.communicate()[1]
    try:
        _, told = child.communicate(timeout=kill_after or 60)
    except subprocess.TimeoutExpired:
        child.kill()
        _, told = child.communicate()
    assert child.returncode in (0, DIED, FAILED), told
    return child.returncode


def kill_until_done(files: Files, options: dict[str, Any], chance: random.Random, finished: Callable[[], bool]) -> int:
    died, longest = 0, LONGEST_SECONDS
    while in_child(files, options, kill_after=chance.uniform(0.02, longest)) == DIED:
        died += 1
        assert died < 500, "it never comes to its end"
        if finished():
            break
        longest *= 1.1  # on a machine that is slow enough, nothing would ever be done in time
    return died


def prepare(files: Files, mode: str) -> None:
    files.t(*(f"DROP TABLE IF EXISTS {table}" for table in BOOKS))
    if mode != "append":
        files.t(
            "CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR, seen TIMESTAMP NOT NULL)",
            *(f"INSERT INTO orders VALUES ({number}, 'old', '2020-01-01 00:00:00')" for number in range(1, 40)),
        )


def there(files: Files, table: str) -> bool:
    """Both libraries know this view of their catalogue."""
    return bool(files.t(f"SELECT count(*) FROM sqlite_master WHERE name = '{table}'")[0][0])


def content(files: Files, name: str) -> list[tuple[Any, ...]]:
    return [(int(key), v, str(seen)) for key, v, seen in files.sql(name, "SELECT id, v, seen FROM orders ORDER BY id")]


def difference(files: Files) -> tuple[int, int]:
    """How many rows of the source are missing at the target, and how many are there too often."""
    left = collections.Counter(content(files, files.source))
    if there(files, "orders"):
        left.subtract(content(files, files.target))
    return sum(n for n in left.values() if n > 0), -sum(n for n in left.values() if n < 0)


@pytest.mark.parametrize(("run", "how"), [*((run, "kill") for run in RUNS), ("append", "raise"), ("replace", "raise")])
@pytest.mark.parametrize("target", TARGETS)
def test_a_copy_survives_every_point(tmp_path: Path, target: str, run: str, how: str) -> None:
    files = made(tmp_path, target, ROWS)
    points = POINTS + (PARTS_ONLY if run.endswith("-parts") else ())
    if not os.environ.get("TEST_FAULTS"):  # every second one, the others at the other target; TEST_FAULTS=1 for all
        points = points[TARGETS.index(target) :: 2]
    for point in points if how == "kill" else points[1:4]:
        survive(files, RUNS[run], point, how)


def survive(files: Files, options: dict[str, Any], point: str, how: str) -> None:
    mode = options["mode"]
    prepare(files, mode)
    old = [] if mode == "append" else content(files, files.target)
    name, _, passage = point.partition("@")
    ended = in_child(files, options, points=f"{name}={how}{f'@{passage}' if passage else ''}")
    assert ended == (DIED if how == "kill" else FAILED), point
    committed = int(files.t("SELECT coalesce(sum(rows), 0) FROM _etl_ledger")[0][0])
    if mode == "append":
        assert difference(files) == (ROWS - committed, 0), f"{point}: the ledger and the rows do not agree"
    elif not committed:
        assert content(files, files.target) == old, f"{point}: the target is neither old nor new"
    files.copy("orders", **options)
    assert difference(files) == (0, 0), point
    files.tidy()
    if mode == "append" and "cursor" not in options:  # a run by a cursor reads again what may have changed
        assert files.t("SELECT sum(rows) FROM _etl_ledger") == [(ROWS,)], point
    assert files.t("SELECT count(*) - count(DISTINCT batch_id) FROM _etl_ledger") == [(0,)], point
    assert not files.t("SELECT max(running) FROM _etl_streams")[0][0], point


@pytest.mark.timeout(0)
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_lost_or_doubled_however_often_a_copy_is_killed(tmp_path: Path, target: str) -> None:
    chance = random.Random(SEED)
    rows = 6000
    files = made(tmp_path, target, rows)
    orders: list[dict[str, Any]] = [
        {"mode": "append", "slice_rows": 700},
        {"mode": "append", "cursor": "seen"},
        {"mode": "replace"},
        {"mode": "merge", "slice_rows": 700},
        {"mode": "merge", "cursor": "seen"},
    ]
    died = loads = 0
    while died < KILLS // 2:
        options = orders[loads % len(orders)]
        prepare(files, "append" if options["mode"] == "append" or loads % 2 else options["mode"])
        if options["mode"] != "append" and there(files, "orders"):
            files.t("DELETE FROM orders")

        def finished() -> bool:
            return there(files, "_etl_streams") and not files.t("SELECT max(running) FROM _etl_streams")[0][0]

        died += kill_until_done(files, options, chance, finished)
        loads += 1
        assert difference(files) == (0, 0), f"{options}, seed {SEED}, load {loads}"
        if options["mode"] == "append" and "cursor" not in options:
            assert files.t("SELECT sum(rows) FROM _etl_ledger") == [(rows,)]
    files.tidy()
    print(f"{died} kills in {loads} loads into {target}, seed {SEED}")
