"""A process that is frozen in the middle, displaced by another run, and woken: it writes nothing more."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import file_tables
import pytest
from copying import eventually
from file_tables import Child, End, delta, parquet
from mysql_copying import Road
from stalls import Plain, copy

from etl_engine.connectors.files.local import LocalFolder

ROWS = 120_000
MANY = f"WITH RECURSIVE n (g) AS (VALUES (1) UNION ALL SELECT g + 1 FROM n) SELECT g, 'v' || g FROM n LIMIT {ROWS}"


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    folder = tmp_path / "plain"
    folder.mkdir()
    made = Plain(folder)
    made.sql("CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, v TEXT)", f"INSERT INTO orders {MANY}")
    return made


class Place:
    """Where rows go: how a process of its own reaches it, and how many rows are there."""

    def __init__(self, end: End, rows: Any, began: Any) -> None:
        self.end, self.rows, self.began = end, rows, began


@pytest.fixture(params=["files", "lake", "mysql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    kind, folder = request.param, tmp_path / "there"
    folder.mkdir()
    if kind == "mysql":
        road: Road = request.getfixturevalue("road")
        server, name = road.target.server, road.target.name
        values = {"db_type": "mysql", "host": server.host, "port": server.port, "database": name,
                  "username": server.user, "password": server.password}  # fmt: skip
        made = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = '_etl_streams' AND table_schema = "
        running = f"SELECT COUNT(*) FROM {name}._etl_streams WHERE running = 1"
        yield Place(
            End(values),
            lambda: road.target.sql("SELECT COUNT(*), COUNT(DISTINCT id) FROM orders"),
            lambda: server.sql(f"{made}'{name}'")[0][0] > 0 and server.sql(running)[0][0] > 0,
        )
    else:
        read = delta if kind == "lake" else parquet
        yield Place(
            (file_tables.lake if kind == "lake" else file_tables.folder)(folder),
            lambda: "\t".join(map(str, read(folder / "orders", "SELECT count(*), count(DISTINCT id) FROM t")[0])),
            lambda: any((folder / "orders").glob(".part-*.part")),
        )


def test_a_run_that_is_displaced_while_it_is_frozen_writes_nothing_when_it_wakes(
    plain: Plain, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalFolder, "patience", 0.3)
    source = End({"db_type": "sqlite", "database": plain.path.name}, (plain.path.parent,))
    child = Child(source, place.end, {"table": "orders", "target": "orders", "slice_rows": 20_000})
    process = child.start()
    try:
        eventually(lambda: place.began() or process.poll() is not None, "that it loads", 60)
        process.send_signal(signal.SIGSTOP)
        assert process.poll() is None
        order = {"source_id": "one", "target_id": "other", "slice_rows": 20_000, "take_over": True}
        receipt = copy(plain.connector, place.end.connector, **order)
        assert receipt.epoch > 1
        assert place.rows() == f"{ROWS}\t{ROWS}"
        process.send_signal(signal.SIGCONT)
        told = process.communicate(timeout=60)[1].decode()
    finally:
        process.kill()
        process.communicate()
    assert process.returncode != 0, "the displaced run came to a good end"
    assert "Traceback" in told
    assert place.rows() == f"{ROWS}\t{ROWS}"
