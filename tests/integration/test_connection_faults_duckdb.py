"""What can be wrong with a DuckDB file."""

import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from ladders import Climb, climb, connector, fault

from etl_engine.connectors.contract import StepState, Surroundings, Who
from etl_engine.errors import Cancelled

NOBODY = 65534
_CHECKED_BYTES = 4096
HOLDING = """
import duckdb, sys
with duckdb.connect(sys.argv[1]) as database:
    print("open", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    with duckdb.connect(made / "shop.duckdb") as database:
        database.execute("CREATE TABLE orders (id INTEGER)")
        database.execute("CREATE VIEW recent AS SELECT * FROM orders")
    return made


@pytest.fixture
def allowed(folder: Path, tmp_path: Path) -> Surroundings:
    return Surroundings(file_roots=(folder,), forbidden_paths=(tmp_path / "own.duckdb",))


def look(allowed: Surroundings, database: str, **options: object) -> Climb:
    return climb("duckdb", allowed, database=database, **options)  # type: ignore[arg-type]


def test_a_sound_file_is_well(allowed: Surroundings, folder: Path) -> None:
    for name in ("shop.duckdb", str(folder / "shop.duckdb"), "./shop.duckdb"):
        done = look(allowed, name)
        assert done.health.ok, done.health.failure
        assert done.health.version == f"DuckDB {duckdb.__version__}"
        assert done.step("privileges").evidence == "Reads 2 tables and views, may write: yes"
    assert look(allowed, "shop.duckdb", read_only=True).step("privileges").evidence.endswith("may write: no")


def test_a_file_without_tables_is_well(allowed: Surroundings, folder: Path) -> None:
    duckdb.connect(folder / "new.duckdb").close()
    assert look(allowed, "new.duckdb").step("privileges").evidence == "No tables yet, may write: yes"


def test_no_folder_is_allowed() -> None:
    fault(look(Surroundings(), "shop.duckdb"), "path", "no-file-roots", Who.DBA, "FILE_ROOTS")


@pytest.mark.parametrize("path", ["../secret.duckdb", "/etc/passwd", "a/../../secret.duckdb", "link.duckdb", ".."])
def test_a_path_outside_of_the_folders(allowed: Surroundings, folder: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.duckdb").write_bytes((folder / "shop.duckdb").read_bytes())
    (folder / "link.duckdb").symlink_to(tmp_path / "secret.duckdb")
    fault(look(allowed, path), "path", "path-outside", Who.YOU, path, str(folder))


@pytest.mark.parametrize("path", [":memory:", "md:shop", "https://example.test/x.duckdb", "s3://b/x.duckdb", "~/x"])
def test_a_spelling_that_a_driver_could_understand_is_a_plain_name(allowed: Surroundings, path: str) -> None:
    fault(look(allowed, path), "file", "file-missing", Who.YOU, path)


def test_the_check_of_a_missing_file_makes_none(allowed: Surroundings, folder: Path) -> None:
    fault(look(allowed, "shpo.duckdb"), "file", "file-missing", Who.YOU, 'did you mean "shop.duckdb"?')
    assert [path.name for path in folder.iterdir()] == ["shop.duckdb"]


@pytest.mark.parametrize("name", ["own.duckdb", "own.duckdb.wal", "hard link.duckdb"])
def test_the_engine_s_own_files_stay_closed(folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "own.duckdb").write_bytes((folder / "shop.duckdb").read_bytes())
    os.link(tmp_path / "own.duckdb", tmp_path / "hard link.duckdb")
    own = Surroundings(file_roots=(tmp_path,), forbidden_paths=(tmp_path / "own.duckdb",))
    fault(look(own, name), "path", "path-forbidden", Who.YOU, name)


def test_a_folder_and_a_pipe_are_no_files(allowed: Surroundings, folder: Path) -> None:
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    for name in ("sub", "pipe", "."):
        fault(look(allowed, name), "file", "not-a-file", Who.YOU, name)


def test_something_else_than_duckdb(allowed: Surroundings, folder: Path) -> None:
    (folder / "notes.txt").write_text("secret notes")
    failure = fault(look(allowed, "notes.txt"), "file", "not-duckdb", Who.YOU, "notes.txt is not a DuckDB file")
    assert "secret" not in repr(failure)
    (folder / "none.duckdb").touch()
    fault(look(allowed, "none.duckdb"), "file", "not-duckdb", Who.YOU, "none.duckdb is empty")


def test_a_damaged_file(allowed: Surroundings, folder: Path) -> None:
    content = bytearray((folder / "shop.duckdb").read_bytes())
    content[100:200] = os.urandom(100)
    (folder / "shop.duckdb").write_bytes(content)
    fault(look(allowed, "shop.duckdb"), "database", "file-corrupt", Who.YOU, "shop.duckdb")


def test_a_file_that_was_cut(allowed: Surroundings, folder: Path) -> None:
    with duckdb.connect(folder / "shop.duckdb") as database:
        database.execute("INSERT INTO orders SELECT * FROM range(100000)")
    whole = (folder / "shop.duckdb").read_bytes()
    (folder / "shop.duckdb").write_bytes(whole[: len(whole) // 8])
    done = look(allowed, "shop.duckdb")
    assert done.health.failure and done.health.failure.key == "database"
    assert done.health.failure.code in ("file-corrupt", "file-refused")


@pytest.mark.parametrize(("version", "code"), [(100_000, "version-too-new"), (1, "version-too-old")])
def test_a_file_of_another_duckdb(allowed: Surroundings, folder: Path, version: int, code: str) -> None:
    content = bytearray((folder / "shop.duckdb").read_bytes())
    content[12:20] = struct.pack("<Q", version)
    content[:8] = struct.pack("<Q", checksum(bytes(content[8:_CHECKED_BYTES])))
    (folder / "shop.duckdb").write_bytes(content)
    fault(look(allowed, "shop.duckdb"), "database", code, Who.YOU, "shop.duckdb", "EXPORT DATABASE")


def checksum(block: bytes) -> int:
    """As DuckDB computes it over each of its blocks."""
    made = 5381
    for (word,) in struct.iter_unpack("<Q", block):
        made ^= (word * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    return made


@pytest.fixture
def elsewhere(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has the file open."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(folder / "shop.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout and child.stdout.readline() == "open\n"
    yield child
    child.communicate()


def test_a_file_that_is_open_elsewhere(allowed: Surroundings, elsewhere: "subprocess.Popen[str]") -> None:
    done = look(allowed, "shop.duckdb", seconds=0.6)
    fault(done, "database", "file-locked", Who.YOU, "shop.duckdb", f"PID {elsewhere.pid}", f"ps -p {elsewhere.pid}")
    assert done.health.ms > 300  # of the clock; `seconds` are less by what the machine stood still


def test_a_file_that_is_closed_in_time(allowed: Surroundings, elsewhere: "subprocess.Popen[str]") -> None:
    assert elsewhere.stdin
    timer = threading.Timer(0.3, elsewhere.stdin.close)
    timer.start()
    assert look(allowed, "shop.duckdb").health.ok
    timer.join()
    elsewhere.stdin = None


def test_a_wait_can_be_cancelled(allowed: Surroundings, elsewhere: "subprocess.Popen[str]") -> None:
    cancelled = threading.Event()
    timer = threading.Timer(0.2, cancelled.set)
    timer.start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        look(allowed, "shop.duckdb", cancelled=cancelled)
    assert time.monotonic() - started < 0.6
    timer.join()


def test_a_file_that_this_engine_is_copying_can_be_tested(allowed: Surroundings, folder: Path) -> None:
    session = connector("duckdb", allowed, database="shop.duckdb").open_destination()
    assert look(allowed, "shop.duckdb").health.ok
    elsewhere = "import duckdb, sys; duckdb.connect(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", elsewhere, str(folder / "shop.duckdb")], capture_output=True, check=False
    )
    assert b"Could not set lock" in done.stderr, "the test gave back the lock of the copy"
    session.close()


def test_a_file_that_may_not_be_read(allowed: Surroundings, folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody who may not read the file")
    (folder / "shop.duckdb").chmod(0o600)
    for path in (folder, *folder.parents):
        if path != Path(tempfile.gettempdir()) and path.is_relative_to(tempfile.gettempdir()):
            path.chmod(0o755)
    os.seteuid(NOBODY)
    try:
        done = look(allowed, "shop.duckdb")
    finally:
        os.seteuid(0)
    fault(done, "file", "file-not-readable", Who.YOU, "shop.duckdb", "chmod")


def test_a_file_that_is_exchanged_during_the_check(
    allowed: Surroundings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etl_engine.connectors.duck import instances

    original = instances._open

    def exchange(path: Path, **options: bool) -> object:
        copy = path.with_suffix(".copy")
        copy.write_bytes(path.read_bytes())
        copy.replace(path)
        return original(path, **options)

    monkeypatch.setattr(instances, "_open", exchange)
    fault(look(allowed, "shop.duckdb"), "database", "path-changed", Who.YOU, "exchanged")


def test_a_name_that_is_no_url_stays_itself(allowed: Surroundings, folder: Path) -> None:
    for name in ("shop#1%20&x 'ü'*[1].duckdb", "sh?op.duckdb"):
        (folder / name).write_bytes((folder / "shop.duckdb").read_bytes())
    assert look(allowed, "shop#1%20&x 'ü'*[1].duckdb").health.ok
    fault(look(allowed, "sh?op.duckdb"), "file", "name-not-usable", Who.YOU, "has a ? in it")
    fault(look(allowed, "x" * 1000), "file", "path-too-long", Who.YOU)


def test_a_check_changes_nothing(allowed: Surroundings, folder: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    done = look(allowed, "shop.duckdb")
    assert {step.state for step in done.health.steps} == {StepState.PASS}
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()} == before
