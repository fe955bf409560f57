"""Copies into files and into the lake that die, at named points and at random: nothing lost, nothing twice."""

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import file_tables
import pytest
from amount import KILLS, SEED, some
from file_tables import DIED, Child, copy, delta, manifest, parquet
from killing import kill
from killing_files import OfBucket, OfTables, left_behind, written
from s3_servers import S3Server

from etl_engine import faultpoints
from etl_engine.errors import Conflict

ROWS = 1500
POINTS = (
    "copy.claimed",
    "copy.snapshot",
    "copy.loaded",
    "copy.applied",
    "copy.recorded",
    "copy.committing",
    "copy.committed",
    "copy.finishing",
)
CASES = [("files", "append"), ("files", "replace"), ("lake", "append"), ("lake", "replace"), ("lake", "merge")]
DEADLY = ("copy.claimed", "copy.loaded", "copy.committing", "copy.committed", "copy.finishing")


def rows_of(kind: str, there: Path) -> list[tuple[Any, ...]]:
    return delta(there) if kind == "lake" else parquet(there)


def counted(kind: str, there: Path) -> tuple[int, int]:
    """Rows that count, and rows that the ledger's lines say."""
    if kind == "lake":
        found = [json.loads(one.read_text()) for one in (there / "_etl").glob("*.json")] if there.exists() else []
        return len(delta(there)) if (there / "_delta_log").exists() else 0, sum(
            entry["rows"] for one in found for entry in one["entries"]
        )
    if not (there / "_etl" / "manifest.json").exists():
        return 0, 0
    told = manifest(there)
    return sum(one["rows"] for one in told["files"]), sum(one["rows"] for one in told["entries"])


@pytest.mark.parametrize("how", ["raise", "kill"])
@pytest.mark.parametrize(("kind", "mode"), CASES)
def test_a_copy_survives_every_point(tmp_path: Path, kind: str, mode: str, how: str) -> None:
    source, old_rows = written(tmp_path / "from", ROWS), written(tmp_path / "old", 700, "old")
    options: dict[str, Any] = {"mode": mode, **({"key": ("id",)} if mode == "merge" else {})}
    for point in POINTS if how == "raise" else some(DEADLY, (kind, mode), CASES):
        root = tmp_path / point
        target = file_tables.lake(root) if kind == "lake" else file_tables.folder(root)
        if mode != "append":
            copy(old_rows, "orders.csv", target, "orders", **options)
        if how == "kill":
            child = Child(source, target, {"table": "orders.csv", "target": "orders", **options})
            assert child.run(points=f"{point}=kill") == DIED, point
        else:
            fail_at(point, functools.partial(copy, source, "orders.csv", target, "orders", **options))
        there, told = counted(kind, root / "orders")
        if mode == "append":
            # A line of the lake's that is committed may wait until the next run puts it in its place.
            assert there in (0, ROWS) and (told == there or kind == "lake"), point
        else:
            assert there in (700, ROWS), f"{point}: neither old nor new"
        copy(source, "orders.csv", target, "orders", **options)
        found = rows_of(kind, root / "orders")
        assert [row[:2] for row in found] == sorted((n, f"v{n}") for n in range(ROWS)), f"{point}: {len(found)} rows"
        assert not left_behind(root), point
        if mode == "append":
            assert counted(kind, root / "orders")[1] == ROWS, point


def fail_at(point: str, work: Callable[[], object]) -> None:
    faultpoints.arm(f"{point}=raise")
    try:
        with pytest.raises(faultpoints.FaultInjected):
            work()
    finally:
        faultpoints.arm("")


@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", ["files", "lake"])
def test_random_kills_lose_nothing_and_double_nothing(tmp_path: Path, kind: str) -> None:
    tally = kill(OfTables(kind, tmp_path), KILLS, SEED)
    assert tally.clean, tally.wrong


@pytest.mark.timeout(0)
def test_random_kills_lose_nothing_in_a_bucket_either(tmp_path: Path, s3_server: S3Server) -> None:
    tally = kill(OfBucket(tmp_path, s3_server), KILLS, SEED)
    assert tally.clean, tally.wrong


def test_an_upload_that_was_broken_off_is_taken_away(tmp_path: Path, s3_server: S3Server, monkeypatch: Any) -> None:
    """Into a bucket: killed before and after the objects are there, and where its lease has to end first."""
    name = s3_server.new_bucket()
    target = file_tables.bucket(s3_server, name)
    source = written(tmp_path / "from", ROWS)
    child = Child(source, target, {"table": "orders.csv", "target": "orders", "mode": "append"})
    for point in ("copy.loaded", "copy.committing", "copy.committed"):
        assert child.run(points=f"{point}=kill") == DIED
        parts = [key for key in s3_server.keys(name, "orders/") if key.endswith(".parquet")]
        assert len(parts) == {"copy.loaded": 0, "copy.committing": 1, "copy.committed": 1}[point]
    assert child.run() == 0
    parts = [key for key in s3_server.keys(name, "orders/") if key.endswith(".parquet")]
    assert len(parts) == 1
    assert not [key for key in s3_server.keys(name) if key.endswith(".lock")]
    explorer = target.connector.explore()
    assert explorer.describe("orders").rows == ROWS
    explorer.close()


def test_a_second_run_is_told_of_the_first_and_may_displace_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from etl_engine.connectors.files.local import LocalFolder

    monkeypatch.setattr(LocalFolder, "patience", 0.3)
    target = file_tables.folder(tmp_path / "to")
    source = written(tmp_path / "from", ROWS)
    first = target.connector.open_destination()
    name, _ = first.resolve("orders")
    from etl_engine.engine.batches import stream_of

    stream = stream_of(file_tables.order("orders.csv", "orders"), name)
    first.claim(name, stream, "t", fresh=False, take_over=False)
    began = time.monotonic()
    with pytest.raises(Conflict, match="is at work"):
        file_tables.copy(source, "orders.csv", target, "orders")
    assert time.monotonic() - began < 5
    receipt = file_tables.copy(source, "orders.csv", target, "orders", take_over=True)
    assert receipt.rows == ROWS and receipt.epoch == 2
    first.close()
    assert len(parquet(tmp_path / "to" / "orders")) == ROWS


@pytest.mark.parametrize("kind", ["files", "lake"])
def test_many_processes_append_at_once_and_every_row_is_there_once(tmp_path: Path, kind: str) -> None:
    """Eight processes, ten copies each, all into one table."""
    target = file_tables.lake(tmp_path / "to") if kind == "lake" else file_tables.folder(tmp_path / "to")
    source = file_tables.folder(tmp_path / "from", csv_types="infer")
    (tmp_path / "from" / "few.csv").write_text("id,v\n1,a\n2,b\n3,c\n")
    running = []
    for number in range(8):
        child = Child(source, target, {"table": "few.csv", "target": "orders", "source_id": f"one-{number}"})
        running.append(child.start(times=10))
    for process in running:
        out, told = process.communicate(timeout=150)
        assert process.returncode == 0, told.decode()[-2000:]
        assert out.split() == [b"begins", b"30"]
    found = rows_of(kind, tmp_path / "to" / "orders")
    assert len(found) == 240
    assert {row[0] for row in found} == {1, 2, 3}
    assert not left_behind(tmp_path / "to")


@pytest.mark.parametrize("kind", ["files", "lake"])
def test_what_a_dead_run_left_beside_the_ledger_goes_and_the_rows_kept_apart_stay(tmp_path: Path, kind: str) -> None:
    """It may die while it swaps the ledger, while it writes a file beside it, and before that file is counted."""
    source = file_tables.folder(tmp_path / "from", csv_types="infer")
    (tmp_path / "from" / "days.csv").write_text("id,at\n1,2024-01-01 00:00:00\n2,2024-01-02 00:00:00\n")
    root = tmp_path / "to"
    target = file_tables.lake(root) if kind == "lake" else file_tables.folder(root)
    order = {"mode": "append", "key": ("id",), "cursor": "at"}
    copy(source, "days.csv", target, "orders", **order)
    within = root / "orders" / "_etl"
    counted = {one.name for one in within.iterdir()}
    (ledger,) = within.glob("*.json")
    (stream,) = json.loads(ledger.read_text())["streams"]
    of_another = f"seen-{'0' * 12}-1-00000000.jsonl"
    for name in (
        f".{ledger.name}.part",
        f".rejects-{stream[:12]}-1-00000000.jsonl.part",
        f"rejects-{stream[:12]}-1-00000000.jsonl",
        f"seen-{stream[:12]}-1-00000000.jsonl",
        of_another,
    ):
        (within / name).write_text("{}\n")
    copy(source, "days.csv", target, "orders", **order)
    left = {one.name for one in within.iterdir()}
    assert {name for name in left if not name.startswith("seen-")} == {n for n in counted if not n.startswith("seen-")}
    assert of_another in left and f"seen-{stream[:12]}-1-00000000.jsonl" not in left
    assert len(parquet(root / "orders")) == 2
