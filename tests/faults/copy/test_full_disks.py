"""Disks that are full: the copy ends in words, the target is as it was, and goes on once there is room."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import file_tables
import pytest
from file_tables import delta, parquet
from mysql_copying import Database, Road
from servers import MissingBinary, start_mariadb
from stalls import Plain, copy

from etl_engine.errors import EtlError

MANY = "WITH RECURSIVE n (g) AS (VALUES (2) UNION ALL SELECT g + 1 FROM n) "


@contextlib.contextmanager
def disk(size: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="etl-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def resized(folder: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    made = Plain(tmp_path)
    made.sql("CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, v TEXT)", "INSERT INTO orders VALUES (1, 'old')")
    return made


@pytest.mark.parametrize(("kind", "mode"), [("files", "append"), ("files", "replace"), ("lake", "append"),
                                            ("lake", "replace"), ("lake", "merge")])  # fmt: skip
def test_a_table_of_files_is_as_it_was(plain: Plain, kind: str, mode: str) -> None:
    with disk("600k") as small:
        target = (file_tables.lake if kind == "lake" else file_tables.folder)(small).connector
        found = delta if kind == "lake" else parquet
        copy(plain.connector, target, mode=mode, key=["id"] * (mode == "merge"))
        plain.sql("DELETE FROM orders", f"{MANY} INSERT INTO orders SELECT g, hex(randomblob(40)) FROM n LIMIT 20000")
        with pytest.raises(EtlError, match="no room left"):
            copy(plain.connector, target, mode=mode, key=["id"] * (mode == "merge"))
        assert found(small / "orders") == [(1, "old")]
        assert [one.name for one in small.rglob("*.part")] == []
        resized(small, "60m")
        copy(plain.connector, target, mode=mode, key=["id"] * (mode == "merge"))
        assert len(found(small / "orders")) == (20_000 if mode == "replace" else 20_001)


def test_a_spool_that_finds_no_room_is_told(plain: Plain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows to be merged into the lake wait in a file without a name."""
    target = file_tables.lake(tmp_path / "lake").connector
    copy(plain.connector, target, mode="merge", key=["id"])
    plain.sql(f"{MANY} INSERT INTO orders SELECT g, hex(randomblob(200)) FROM n LIMIT 20000")
    with disk("200k") as small:
        monkeypatch.setattr(tempfile, "tempdir", str(small))
        with pytest.raises(EtlError, match="do not fit into") as told:
            copy(plain.connector, target, mode="merge", key=["id"])
        assert str(small) in f"{told.value.message} {told.value.hint}"
        assert list(small.iterdir()) == []
    monkeypatch.undo()
    assert delta(tmp_path / "lake" / "orders") == [(1, "old")]
    copy(plain.connector, target, mode="merge", key=["id"])
    assert len(delta(tmp_path / "lake" / "orders")) == 20_001


@pytest.mark.parametrize("mode", ["append", "merge", "replace"])
def test_a_mariadb_whose_disk_is_full_keeps_what_it_has(plain: Plain, mode: str) -> None:
    with disk("400m") as small:
        try:
            server = start_mariadb(small / "server")
        except MissingBinary as missing:
            pytest.skip(str(missing))
        try:
            server.sql("CREATE DATABASE into_small CHARACTER SET utf8mb4")
            target = Database(server, "into_small")
            key = ["id"] * (mode == "merge")
            copy(plain.connector, target.connector(), mode=mode, key=key)
            plain.sql(
                "DELETE FROM orders", f"{MANY} INSERT INTO orders SELECT g, hex(randomblob(900)) FROM n LIMIT 20000"
            )
            resized(small, f"{(shutil.disk_usage(small).used >> 20) + 8}m")
            with pytest.raises(EtlError, match=r"full|space"):
                copy(plain.connector, target.connector(), mode=mode, key=key)
            assert target.sql("SELECT id, v FROM orders") == "1\told"
            assert target.sql("SELECT COUNT(*) FROM _etl_ledger") == "1"
            resized(small, "400m")
            copy(plain.connector, target.connector(), mode=mode, key=key)
            assert target.sql("SELECT COUNT(*) FROM orders") == ("20000" if mode == "replace" else "20001")
            Road(target, target).tidy()
        finally:
            server.stop()
