"""A planted password is looked for after every way in which a connection can fail, in everything that is left behind.

Looked at: errors and their tracebacks, answers and steps, what Python prints and pickles, the log at level debug, the
files of the store with write-ahead log, its documents (the audit too), a backup, temporary files, arguments and
environment. 0 hits.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from canary import CANARY, SPELLINGS, Scene, Surfaces, leaks
from log_state import everything_as_it_was
from secret_paths import PATHS
from servers import MariadbServer, PostgresServer

from etl_engine import logs, masking, settings
from etl_engine.connectors.fault import SAID_AT_MOST, said
from etl_engine.masking import Secrets
from etl_engine.wiring import Engine

USER = "planted_user"
KINDS = ("postgresql", "mysql")


@pytest.fixture(scope="session")
def knowing_postgres(postgres_server: PostgresServer) -> PostgresServer:
    """A real PostgreSQL with a user whose password is the planted one."""
    password = CANARY.replace("'", "''")
    postgres_server.sql(
        f"CREATE ROLE {USER} LOGIN PASSWORD '{password}'",
        f"CREATE DATABASE canary OWNER {USER}",
    )
    return postgres_server


@pytest.fixture(scope="session")
def knowing_mariadb(mariadb_server: MariadbServer) -> MariadbServer:
    """A real MariaDB with such a user."""
    password = CANARY.replace("\\", "\\\\").replace("'", "\\'")
    mariadb_server.sql(
        "SET NAMES utf8mb4",
        "CREATE DATABASE canary",
        f"CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{password}'",
        f"GRANT ALL ON canary.* TO '{USER}'@'127.0.0.1'",
    )
    return mariadb_server


@pytest.fixture
def server(kind: str, request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue({"postgresql": "knowing_postgres", "mysql": "knowing_mariadb"}[kind])


@pytest.fixture
def scratch(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files of this process go, from here on: the servers have theirs elsewhere."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def scene(kind: str, server: Any, tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(masking, "_hidden", Secrets())  # what other tests registered must not help this one
    folder = tmp_path / "data"
    engine = Engine(settings.load(_env_file=None, data_dir=folder, log_level="debug"))
    with everything_as_it_was():
        logs.configure("debug", "json")
        yield Scene(kind, engine, folder, server, USER)
    engine.close()


def walk(scene: Scene, path: str, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Surfaces:
    """Go down one path, and collect everything that it leaves behind."""
    surfaces = scene.surfaces
    with surfaces.collecting(), monkeypatch.context() as patch:
        PATHS[path](scene, patch)
    surfaces.add_store(scene.ctx, scene.folder)
    surfaces.add_folder("temporary file", scratch)
    surfaces.add_process()
    surfaces.add("environment", json.dumps(dict(os.environ)))
    scene.engine.close()
    surfaces.add_folder("closed store", scene.folder)
    return surfaces


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
def test_nothing_tells_the_password(scene: Scene, path: str, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    surfaces = walk(scene, path, scratch, monkeypatch)
    assert surfaces.seen
    surfaces.assert_clean()
    assert list(scratch.iterdir()) == []


def test_there_are_at_least_thirty_paths_for_every_driver() -> None:
    assert len(PATHS) >= 30


@pytest.mark.parametrize("secret", [CANARY, "two  spaces and more", "a\ttab and \x7f more", "line\nbreak in it"])
def test_what_another_system_said_is_masked_before_it_is_tidied_and_cut(secret: str) -> None:
    for spelling in (secret, repr(secret), json.dumps(secret), quote(secret)):
        for padding in (0, SAID_AT_MOST - 15):
            shown = said("x" * padding + f" {spelling}", secret)
            assert "*" in shown
            assert not leaks(shown.encode())
            assert not any(word in shown for word in ("two", "spaces", "tab", "line", "break"))


# What makes the tests above worth something


@pytest.mark.parametrize("spelling", SPELLINGS, ids=range(len(SPELLINGS)))
def test_the_search_finds_every_spelling(spelling: bytes) -> None:
    assert leaks(b"before " + spelling + b" after")


def test_the_search_finds_a_part_of_it_and_nothing_in_ordinary_text() -> None:
    assert leaks(CANARY[:12].encode())
    assert leaks(CANARY[-12:].lower().encode())
    assert leaks(b"password is ********, token gAAAAABnX0000") == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "path",
    ["the_store_breaks_with_the_values_in_its_message", "a_driver_that_crashes_with_the_password_in_its_message"],
)
def test_without_masking_the_search_would_find_it(
    scene: Scene, path: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Secrets, "masked", lambda _, text: text)
    surfaces = walk(scene, path, scratch, monkeypatch)
    with pytest.raises(AssertionError, match="the planted password is in"):
        surfaces.assert_clean()


@pytest.mark.parametrize("kind", KINDS)
def test_a_password_that_is_stored_in_the_clear_would_be_found(
    scene: Scene, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl_engine.sealing.Vault.seal", lambda _, secret, *__: secret)

    def stores(scene: Scene, _: Any) -> None:
        from secret_paths import create

        create(scene)

    monkeypatch.setitem(PATHS, "stores", stores)
    surfaces = walk(scene, "stores", scratch, monkeypatch)
    where = {where for where, data in surfaces.seen if leaks(data)}
    assert {"collection connections", "backup", "closed store etl_engine.db"} <= where
