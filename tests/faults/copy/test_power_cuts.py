"""A power cut: only what was synced is there afterwards, and a folder has the names that it had when it was synced."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import file_tables
import pytest
from file_tables import delta, parquet
from stalls import Plain, copy

from etl_engine import faultpoints
from etl_engine.connectors.files.local import LocalFolder

Key = tuple[int, int]
POINTS = ("copy.claimed", "copy.loaded", "copy.recorded", "copy.committing", "copy.committed", "copy.finishing", "")


@dataclass
class Disk:
    """What outlasts the cut: the bytes of files and the names in folders, each as it was at its last sync."""

    files: dict[Key, bytes] = field(default_factory=dict)
    folders: dict[Key, dict[str, Key]] = field(default_factory=dict)
    synced: int = 0

    def fsync(self, handle: int) -> None:
        status = os.fstat(handle)
        key = status.st_dev, status.st_ino
        self.synced += 1
        path = Path(f"/proc/self/fd/{handle}")
        if path.is_dir():
            self.folders[key] = {
                one.name: (one.stat(follow_symlinks=False).st_dev, one.stat(follow_symlinks=False).st_ino)
                for one in os.scandir(path)
            }
        else:
            self.files[key] = path.readlink().read_bytes()

    def after_the_cut(self, root: Path, into: Path) -> None:
        status = root.stat()
        self._restore((status.st_dev, status.st_ino), into)

    def _restore(self, key: Key, into: Path) -> None:
        into.mkdir(parents=True, exist_ok=True)
        for name, inner in self.folders.get(key, {}).items():
            if inner in self.folders or (inner not in self.files and inner in self.known_folders):
                self._restore(inner, into / name)
            else:
                (into / name).write_bytes(self.files.get(inner, b""))

    known_folders: set[Key] = field(default_factory=set)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(os, "fsync", made.fsync)
    return made


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    folder = tmp_path / "plain"
    folder.mkdir()
    made = Plain(folder)
    made.sql("CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, v TEXT)")
    made.sql("INSERT INTO orders VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    return made


@pytest.mark.parametrize(("kind", "mode"), [("files", "append"), ("files", "replace"), ("lake", "append"),
                                            ("lake", "replace"), ("lake", "merge")])  # fmt: skip
def test_what_was_counted_is_there_after_a_power_cut(
    plain: Plain, tmp_path: Path, disk: Disk, kind: str, mode: str
) -> None:
    make, read = (file_tables.lake, delta) if kind == "lake" else (file_tables.folder, parquet)
    options: dict[str, Any] = {"mode": mode, **({"key": ["id"]} if mode == "merge" else {})}
    for number, point in enumerate(POINTS):
        root, again = tmp_path / f"there-{number}", tmp_path / f"again-{number}"
        target = make(root).connector
        disk.files.clear(), disk.folders.clear()
        faultpoints.arm(f"{point}=raise" if point else "")
        try:
            copy(plain.connector, target, **options)
            assert not point
        except faultpoints.FaultInjected:
            pass
        finally:
            faultpoints.arm("")
        disk.known_folders = {(one.stat().st_dev, one.stat().st_ino) for one in root.rglob("*") if one.is_dir()}
        disk.after_the_cut(root, again)
        there = read(again / "orders") if not point else []
        assert point or there == [(1, "a"), (2, "b"), (3, "c")], f"{kind} {mode}: a run that ended well, and a cut"
        if point:
            copy(plain.connector, make(again).connector, **options)
            assert read(again / "orders") == [(1, "a"), (2, "b"), (3, "c")], point
    assert disk.synced


def test_the_cut_takes_what_nobody_synced(
    plain: Plain, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the lake's own library does not wait for the disk."""
    monkeypatch.setattr(LocalFolder, "sync", lambda *_: None)
    copy(plain.connector, file_tables.lake(tmp_path / "there").connector)
    disk.known_folders = {
        (one.stat().st_dev, one.stat().st_ino) for one in (tmp_path / "there").rglob("*") if one.is_dir()
    }
    disk.after_the_cut(tmp_path / "there", tmp_path / "again")
    assert not (tmp_path / "again" / "orders" / "_delta_log").exists()
