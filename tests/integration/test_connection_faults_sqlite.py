"""What can be wrong with a SQLite file."""

import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ladders import Climb, climb, fault

from etl_engine.connectors.contract import StepState, Surroundings, Who
from etl_engine.errors import Cancelled

NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    with sqlite3.connect(made / "shop.db") as database:
        database.executescript("CREATE TABLE orders (id int); CREATE VIEW recent AS SELECT * FROM orders")
    database.close()
    return made


@pytest.fixture
def allowed(folder: Path, tmp_path: Path) -> Surroundings:
    return Surroundings(file_roots=(folder,), forbidden_paths=(tmp_path / "etl_engine.db", tmp_path / "key"))


def look(allowed: Surroundings, database: str, **options: object) -> Climb:
    return climb("sqlite", allowed, database=database, **options)  # type: ignore[arg-type]


def test_a_sound_file_is_well(allowed: Surroundings, folder: Path) -> None:
    for name in ("shop.db", str(folder / "shop.db"), "./shop.db"):
        done = look(allowed, name)
        assert done.health.ok, done.health.failure
        assert done.health.version == f"SQLite {sqlite3.sqlite_version}"
        assert done.step("database").evidence == "Opens, encoding UTF-8, every page is sound"
        assert done.step("privileges").evidence == "Reads 2 tables and views, may write: yes"


def test_an_empty_file_is_an_empty_database(allowed: Surroundings, folder: Path) -> None:
    (folder / "new.db").touch()
    done = look(allowed, "new.db")
    assert done.health.ok
    assert done.step("file").state is StepState.WARN


def test_a_file_in_wal_mode_is_read(allowed: Surroundings, folder: Path) -> None:
    writer = sqlite3.connect(folder / "shop.db")
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("BEGIN IMMEDIATE")
    assert look(allowed, "shop.db").health.ok
    writer.close()


def test_no_folder_is_allowed() -> None:
    fault(look(Surroundings(), "shop.db"), "path", "no-file-roots", Who.DBA, "FILE_ROOTS")


@pytest.mark.parametrize(
    "path",
    [
        "../secret.db",
        "/etc/passwd",
        "a/../../secret.db",
        "//etc/passwd",
        "/proc/self/environ",
        "..",
        "./../files2/x.db",
        "link.db",
        "linked/secret.db",
        "chain.db",
    ],
)
def test_a_path_outside_of_the_folders(allowed: Surroundings, folder: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.db").write_bytes((folder / "shop.db").read_bytes())
    (tmp_path / "files2").mkdir()
    (folder / "link.db").symlink_to(tmp_path / "secret.db")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "chain.db").symlink_to(folder / "link.db")
    fault(look(allowed, path), "path", "path-outside", Who.YOU, path, str(folder))


@pytest.mark.parametrize(
    "path", ["file:///etc/passwd", "file:shop.db?mode=rwc", ":memory:", "~/x.db", "C:\\x.db", "%2e%2e/x"]
)
def test_a_spelling_that_a_driver_could_understand_is_a_plain_name(allowed: Surroundings, path: str) -> None:
    fault(look(allowed, path), "file", "file-missing", Who.YOU, path)


def test_the_check_of_a_missing_file_makes_none(allowed: Surroundings, folder: Path) -> None:
    fault(look(allowed, "shpo.db"), "file", "file-missing", Who.YOU, 'did you mean "shop.db"?')
    fault(look(allowed, "no/such/folder.db"), "file", "file-missing", Who.YOU)
    assert [path.name for path in folder.iterdir()] == ["shop.db"]


def test_a_link_inside_of_the_folder_is_followed(allowed: Surroundings, folder: Path) -> None:
    (folder / "alias.db").symlink_to("shop.db")
    assert look(allowed, "alias.db").health.ok


def test_a_link_in_a_circle(allowed: Surroundings, folder: Path) -> None:
    (folder / "a.db").symlink_to("b.db")
    (folder / "b.db").symlink_to("a.db")
    fault(look(allowed, "a.db"), "file", "path-changed", Who.YOU, "circle")


@pytest.mark.parametrize("name", ["etl_engine.db", "etl_engine.db-wal", "key", "hard link.db"])
def test_the_engine_s_own_files_stay_closed(folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "etl_engine.db").write_bytes((folder / "shop.db").read_bytes())
    (tmp_path / "key").write_text("secret")
    os.link(tmp_path / "etl_engine.db", tmp_path / "hard link.db")
    own = Surroundings(file_roots=(tmp_path,), forbidden_paths=(tmp_path / "etl_engine.db", tmp_path / "key"))
    fault(look(own, name), "path", "path-forbidden", Who.YOU, name)
    assert look(own, "files/shop.db").health.ok


def test_a_folder_a_pipe_and_a_device_are_no_files(allowed: Surroundings, folder: Path) -> None:
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    for name in ("sub", "pipe", "."):
        fault(look(allowed, name), "file", "not-a-file", Who.YOU, name)


def test_something_else_than_sqlite(allowed: Surroundings, folder: Path) -> None:
    (folder / "notes.txt").write_text("secret notes")
    failure = fault(look(allowed, "notes.txt"), "file", "not-sqlite", Who.YOU, "notes.txt")
    assert "secret" not in repr(failure)


def test_an_encrypted_file(allowed: Surroundings, folder: Path) -> None:
    path = folder / "shop.db"
    path.write_bytes(b"SQLite format 3\0" + bytes(range(84)) + os.urandom(8092))
    done = look(allowed, "shop.db")
    assert done.health.failure and done.health.failure.code in ("not-sqlite", "version-too-new", "file-corrupt")
    (folder / "sealed.db").write_bytes(os.urandom(8192))
    fault(look(allowed, "sealed.db"), "file", "not-sqlite", Who.YOU)


def test_a_damaged_file(allowed: Surroundings, folder: Path) -> None:
    path = folder / "big.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE t (a text)")
    database.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 200)
    database.commit()
    database.close()
    content = bytearray(path.read_bytes())
    content[4096:12288] = os.urandom(8192)
    path.write_bytes(content)
    fault(look(allowed, "big.db"), "database", "file-corrupt", Who.YOU, "big.db", ".recover")


def test_a_file_of_a_newer_sqlite(allowed: Surroundings, folder: Path) -> None:
    path = folder / "shop.db"
    content = bytearray(path.read_bytes())
    content[18] = content[19] = 3
    path.write_bytes(content)
    fault(look(allowed, "shop.db"), "file", "version-too-new", Who.YOU, "newer SQLite")


@pytest.fixture
def locked(folder: Path) -> Iterator[sqlite3.Connection]:
    writer = sqlite3.connect(folder / "shop.db", isolation_level=None, check_same_thread=False)
    writer.execute("BEGIN EXCLUSIVE")
    yield writer
    writer.close()


def test_a_locked_file(allowed: Surroundings, locked: sqlite3.Connection) -> None:
    done = look(allowed, "shop.db", seconds=0.5)
    fault(done, "database", "file-locked", Who.YOU, "shop.db", "WAL")
    assert done.seconds > 0.3


def test_a_lock_that_goes_away_in_time(allowed: Surroundings, locked: sqlite3.Connection) -> None:
    timer = threading.Timer(0.3, locked.execute, ("ROLLBACK",))
    timer.start()
    assert look(allowed, "shop.db").health.ok
    timer.join()


def test_a_wait_for_a_lock_can_be_cancelled(allowed: Surroundings, locked: sqlite3.Connection) -> None:
    cancelled = threading.Event()
    timer = threading.Timer(0.2, cancelled.set)
    timer.start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        look(allowed, "shop.db", cancelled=cancelled)
    assert time.monotonic() - started < 0.4
    timer.join()


def test_a_large_file_is_not_looked_through_to_the_end(
    allowed: Surroundings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = sqlite3.connect(folder / "large.db")
    database.execute("CREATE TABLE t (a int, b text)")
    database.execute("CREATE INDEX i ON t (b)")
    many = "WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n LIMIT 200000)"
    database.execute(f"INSERT INTO t {many} SELECT x, hex(randomblob(30)) FROM n")
    database.commit()
    database.close()
    monkeypatch.setattr("etl_engine.connectors.kinds.sqlite._INTEGRITY_SECONDS", 0.001)
    done = look(allowed, "large.db")
    assert done.health.ok, done.health.failure
    assert "too large to look at every page" in done.step("database").evidence


def test_a_file_that_may_not_be_read(allowed: Surroundings, folder: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody who may not read the file")
    (folder / "shop.db").chmod(0o600)
    for path in (folder, *folder.parents):
        if path != Path(tempfile.gettempdir()) and path.is_relative_to(tempfile.gettempdir()):
            path.chmod(0o755)
    os.seteuid(NOBODY)
    try:
        done = look(allowed, "shop.db")
    finally:
        os.seteuid(0)
    fault(done, "file", "file-not-readable", Who.YOU, "shop.db", "chmod")


def test_a_wal_file_in_a_folder_that_may_not_be_written(allowed: Surroundings, folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody who may not write into the folder")
    database = sqlite3.connect(folder / "shop.db")
    database.execute("PRAGMA journal_mode = WAL")
    database.close()
    for path in (folder, *folder.parents):
        if path != Path(tempfile.gettempdir()) and path.is_relative_to(tempfile.gettempdir()):
            path.chmod(0o755)
    os.seteuid(NOBODY)
    try:
        done = look(allowed, "shop.db")
    finally:
        os.seteuid(0)
    fault(done, "database", "journal-not-readable", Who.DBA, "shop.db", "-wal")


def test_a_file_that_is_exchanged_during_the_check(
    allowed: Surroundings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etl_engine.connectors.kinds import sqlite

    original = sqlite._open

    def exchange(path: Path, deadline: object) -> object:
        copy = path.with_suffix(".copy")
        copy.write_bytes(path.read_bytes())
        copy.replace(path)
        return original(path, deadline)  # type: ignore[arg-type]

    monkeypatch.setattr(sqlite, "_open", exchange)
    fault(look(allowed, "shop.db"), "database", "path-changed", Who.YOU, "exchanged")


def test_a_path_longer_than_any_file_system_allows(allowed: Surroundings) -> None:
    fault(look(allowed, "x" * 1000), "file", "path-too-long", Who.YOU)


def test_a_name_that_is_no_url_stays_itself(allowed: Surroundings, folder: Path) -> None:
    name = "sh?op#1%20&mode=rwc 'ü'.db"
    (folder / name).write_bytes((folder / "shop.db").read_bytes())
    assert look(allowed, name).health.ok


def test_a_check_changes_nothing(allowed: Surroundings, folder: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    look(allowed, "shop.db")
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()} == before
