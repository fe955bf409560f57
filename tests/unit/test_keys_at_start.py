"""Where the key comes from when a process starts, and what stops the start."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from etl_engine import settings
from etl_engine.errors import BadSetting, Locked, StoreUnavailable
from etl_engine.sealing import fingerprint, is_key, new_key
from etl_engine.services import connection_tests, connections, health
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context
from etl_engine.services.keyring import Keyring
from etl_engine.wiring import Engine

SECRET = "p/w:x@#?%'\"ü"
PROCESSES = 8


def engine(folder: Path, *keys: str) -> Engine:
    return Engine(settings.load(data_dir=folder, encryption_key=",".join(keys)))


def add(ctx: Context) -> str:
    values = {"name": "one", "db_type": "postgresql", "host": "127.0.0.1", "database": "d", "username": "u"}
    return connections.create(ctx, as_config(values | {"password": SECRET})).id


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[Path, str]:
    """A closed store with a secret in it, and the key that opens it."""
    folder = tmp_path / "data"
    first = engine(folder)
    add(first.context())
    first.close()
    return folder, first.key_file.read_text().strip()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def refused(folder: Path, *keys: str) -> Locked:
    """The start is refused, and leaves every byte of the store as it was."""
    before = contents(folder)
    starting = engine(folder, *keys)
    with pytest.raises(Locked) as caught:
        starting.context()
    starting.close()
    assert contents(folder) == before
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


def test_the_first_start_makes_a_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    first = engine(tmp_path / "new")
    first.context()
    assert first.made_key_file == tmp_path / "new" / "encryption.key"
    assert stat.S_IMODE(first.made_key_file.stat().st_mode) == 0o600
    assert is_key(first.made_key_file.read_text().strip())
    assert sorted(path.name for path in (tmp_path / "new").iterdir() if not path.name.startswith("etl_engine.db")) == [
        "encryption.key",
        "files",
    ]
    first.close()
    second = engine(tmp_path / "new")
    second.context()
    assert second.made_key_file is None
    second.close()


def test_the_mode_of_the_key_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        first = engine(tmp_path)
        first.context()
        first.close()
    finally:
        os.umask(before)
    for name in ("encryption.key", "etl_engine.db"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


_STARTS = """
import sys
from pathlib import Path
from etl_engine import settings
from etl_engine.wiring import Engine
engine = Engine(settings.load(data_dir=Path(sys.argv[1])))
sys.stdin.readline()
ctx = engine.context()
print(bool(engine.made_key_file), engine.key_file.read_text().strip(), ctx.keyring.vault().digest("x"), flush=True)
engine.close()
"""


def test_processes_that_start_at_once_make_one_key_and_one_data_key(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _STARTS, str(tmp_path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(PROCESSES)
    ]  # fmt: skip
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60) for process in processes]
    assert not any(error for _, error in answers)
    words = [answer.split() for answer, _ in answers]
    assert [made for made, _, _ in words].count("True") == 1
    assert len({key for _, key, _ in words}) == 1
    assert len({digest for _, _, digest in words}) == 1
    assert not list(tmp_path.glob(".key*"))


def test_a_process_that_dies_while_it_makes_the_key_leaves_none(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib; from etl_engine import wiring; os.link = lambda *_: os.kill(os.getpid(), 9);"
        "wiring._make_key_file(pathlib.Path(sys.argv[1]) / 'encryption.key')"
    )
    died = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=False)
    assert died.returncode == -9
    assert not (tmp_path / "encryption.key").exists()
    again = engine(tmp_path)
    again.context()
    assert is_key(again.key_file.read_text().strip())
    again.close()


def test_a_store_whose_key_file_is_gone_stops_the_start(sealed: tuple[Path, str]) -> None:
    folder, key = sealed
    (folder / "encryption.key").unlink()
    error = refused(folder)
    assert str(folder / "encryption.key") in error.message
    assert "Put the key file back" in error.hint
    assert not (folder / "encryption.key").exists()
    back = engine(folder, key)
    assert back.context().keyring.exists()
    back.close()


def test_a_key_that_does_not_open_the_store_stops_the_start(sealed: tuple[Path, str]) -> None:
    folder, key = sealed
    other = new_key()
    error = refused(folder, other)
    assert fingerprint(key) in error.message
    assert fingerprint(other) in error.message
    assert "ENCRYPTION_KEY" in error.hint
    assert not any(secret in error.message + error.hint for secret in (key, other))


def test_a_key_file_of_another_store_stops_the_start(sealed: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = sealed
    (folder / "encryption.key").write_text(new_key() + "\n")
    assert "does not open this store" in refused(folder).message


@pytest.mark.parametrize("content", ["", "nonsense\n", "\x00" * 44])
def test_a_key_file_without_a_key_stops_the_start(sealed: tuple[Path, str], content: str) -> None:
    folder, _ = sealed
    (folder / "encryption.key").write_text(content)
    before = contents(folder)
    starting = engine(folder)
    with pytest.raises(BadSetting, match="does not hold a Fernet key") as caught:
        starting.context()
    starting.close()
    assert caught.value.hint
    assert contents(folder) == before


def test_a_key_file_that_cannot_be_read_stops_the_start(sealed: tuple[Path, str]) -> None:
    folder, _ = sealed
    (folder / "encryption.key").unlink()
    (folder / "encryption.key").mkdir()
    starting = engine(folder)
    with pytest.raises(BadSetting, match=r"The key file .* cannot be read"):
        starting.context()
    starting.close()


def test_one_key_of_several_is_enough(sealed: tuple[Path, str]) -> None:
    folder, key = sealed
    starting = engine(folder, new_key(), key)
    assert starting.context().keyring.exists()
    starting.close()


def test_a_copy_of_store_and_key_opens_elsewhere(sealed: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = sealed
    shutil.copytree(folder, tmp_path / "restored")
    restored = engine(tmp_path / "restored")
    assert [one.name for one in connections.list_(restored.context(), connections.Query()).items] == ["one"]
    restored.close()


def test_a_start_that_was_refused_succeeds_later_without_a_new_process(sealed: tuple[Path, str]) -> None:
    folder, _ = sealed
    (folder / "encryption.key").rename(folder / "away")
    starting = engine(folder)
    with pytest.raises(Locked):
        starting.context()
    (folder / "away").rename(folder / "encryption.key")
    assert starting.context().keyring.exists()
    starting.close()


def test_a_start_that_comes_second_does_not_miss_the_key_that_is_just_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process makes key and seal between our two looks: first at the store, then at the file."""
    ours, other = engine(tmp_path), engine(tmp_path)
    look = Keyring.exists

    def look_and_lose_the_race(keyring: Keyring) -> bool:
        monkeypatch.undo()
        found = look(keyring)
        other.context()
        return found

    monkeypatch.setattr(Keyring, "exists", look_and_lose_the_race)
    assert ours.context().keyring.vault().digest("x") == other.context().keyring.vault().digest("x")
    assert (ours.made_key_file, other.made_key_file) == (None, tmp_path / "encryption.key")
    ours.close()
    other.close()


def test_a_store_that_is_away_is_said_to_everybody_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"mongodb://127.0.0.1:{port}"
    starting = Engine(settings.load(mongodb_url=url, encryption_key=new_key()))
    started = time.monotonic()

    def ask(_: int) -> type[Exception]:
        with pytest.raises(StoreUnavailable) as away:
            starting.context()
        return away.type

    with ThreadPoolExecutor(20) as pool:
        health_answer = pool.submit(health.check, starting.context)
        assert set(pool.map(ask, range(19))) == {StoreUnavailable}
        assert health_answer.result().store.status == "failed"
    assert time.monotonic() - started < 5
    starting.close()


@pytest.mark.parametrize("variable", ["store_url", "mongodb_url"])
def test_a_store_url_that_cannot_be_understood_names_its_variable(variable: str) -> None:
    url = "mongodb://me:hu/nter22@127.0.0.1/x?foo=bar"
    with pytest.raises(BadSetting, match=f"^{variable.upper()} cannot be used: ") as refused:
        Engine(settings.load(**{variable: url}, encryption_key=new_key())).context()
    assert "nter22" not in refused.value.message + refused.value.hint


def test_a_connection_cannot_open_the_store_of_the_product_wherever_it_is(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    running = Engine(settings.load(data_dir=tmp_path, store_url=f"sqlite:///{files}/meta.db", encryption_key=new_key()))
    ctx = running.context()
    own = as_config({"name": "own", "db_type": "sqlite", "database": "meta.db"})
    failure = connection_tests.test_new(ctx, own)
    assert (failure.success, failure.details.steps[0].code) == (False, "path-forbidden")
    running.close()
