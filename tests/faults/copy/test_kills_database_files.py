"""Copies into SQLite and DuckDB files that fail or die, at named points and at random moments; TEST_KILLS for more."""

from pathlib import Path
from typing import Any

import pytest
from amount import KILLS, SEED, some
from dying import DIED, FAILED
from file_copies import Files
from killing import kill
from killing_files import OfDatabaseFile, content, difference, in_child, made, prepare

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


@pytest.mark.parametrize(("run", "how"), [*((run, "kill") for run in RUNS), ("append", "raise"), ("replace", "raise")])
@pytest.mark.parametrize("target", TARGETS)
def test_a_copy_survives_every_point(tmp_path: Path, target: str, run: str, how: str) -> None:
    files = made(tmp_path, target, ROWS)
    points = POINTS + (PARTS_ONLY if run.endswith("-parts") else ())
    for point in some(points, run, RUNS, turn=TARGETS.index(target) + 2 * (how == "raise"), share=8):
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
    tally = kill(OfDatabaseFile(tmp_path, target), KILLS, SEED)
    assert tally.clean, tally.wrong
