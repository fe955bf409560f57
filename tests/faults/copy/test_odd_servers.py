"""Servers that are not what they were, or not what one expects: standbys, backups, encodings, names with many ends."""

import dataclasses
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from copying import Pair, eventually
from mysql_copying import Road
from servers import PostgresServer, start_postgres, temporary

from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.errors import EtlError

EVENTS = "CREATE TABLE ev (id int PRIMARY KEY, v text, at timestamptz NOT NULL DEFAULT now())"
FOLLOW: dict[str, Any] = {"mode": "merge", "cursor": "at", "key": ("id",)}
SLOTS = {"wal_level": "replica", "max_wal_senders": "4", "hot_standby": "on", "wal_receiver_status_interval": "1s"}


def between(source: Pair, target: Pair, table: str, **options: Any) -> Any:
    """From the source database of one server into the target database of another."""
    ends = Ends(source.connector(source.source).open_source, target.connector(target.target).open_destination)
    return transfer.run(source.order(table, **options), ends, Progress(), Stop())


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with temporary(start_postgres, settings=SLOTS) as made:
        made.sql("CREATE DATABASE shop")
        made.sql(EVENTS, database="shop")
        yield made


def test_a_source_that_was_put_back_from_a_backup_is_read_from_the_border_on(
    server: PostgresServer, pair: Pair, tmp_path: Path
) -> None:
    """Its transaction ids are smaller than those that were seen: they say nothing about what is new any more."""
    shop = Pair(server, "shop", "shop")
    shop.s("INSERT INTO ev (id, v) VALUES (1, 'first')")
    server.stop()
    backup = server.folder / "backup"
    shutil.copytree(server.folder / "data", backup, symlinks=True)
    subprocess.run(["chown", "-R", "--reference", server.folder / "data", backup], check=True)
    running = start_postgres(server.folder, port=server.port, settings=SLOTS)
    shop = Pair(running, "shop", "shop")
    for number in range(2, 40):
        shop.s(f"INSERT INTO ev (id, v) VALUES ({number}, 'before')")
    between(shop, pair, "ev", **FOLLOW)
    assert pair.t("SELECT count(*) FROM ev") == "39"
    running.stop()
    shutil.rmtree(server.folder / "data")
    backup.rename(server.folder / "data")
    running = start_postgres(server.folder, port=server.port, settings=SLOTS)
    try:
        shop = Pair(running, "shop", "shop")
        shop.s("INSERT INTO ev (id, v) VALUES (2, 'again'), (100, 'after')")
        receipt = between(shop, pair, "ev", **FOLLOW)
        assert any("restored" in note for note in receipt.notes), receipt.notes
        assert pair.t("SELECT v FROM ev WHERE id IN (2, 100) ORDER BY id") == "again\nafter"
    finally:
        running.stop()


def test_a_standby_is_read_up_to_where_it_is(server: PostgresServer, pair: Pair) -> None:
    """What it does not have yet is not taken for read; the look-back finds what was committed late."""
    with temporary(start_postgres) as other:  # its folder, with the rows of the first one
        other.stop()
        data = other.folder / "data"
        owner = data.owner()
        shutil.rmtree(data)
        program = next(Path("/usr/lib/postgresql").glob("*/bin/pg_basebackup"))
        server.sql("CREATE ROLE copies REPLICATION LOGIN PASSWORD 'copies'")
        hba = server.folder / "data" / "pg_hba.conf"
        hba.write_text("host replication copies 127.0.0.1/32 trust\n" + hba.read_text())
        server.sql("SELECT pg_reload_conf()")
        command = [program, "-D", data, "-h", server.host, "-p", str(server.port), "-U", "copies", "-X", "stream", "-R"]
        subprocess.run([*command, "-c", "fast"], user=owner, check=True, cwd="/", env={"PGSSLMODE": "disable"})
        settings = {**SLOTS, "primary_conninfo": f"'host={server.host} port={server.port} user=copies sslmode=disable'"}
        standby = start_postgres(other.folder, port=other.port, settings=settings, standby=True)
        try:
            first, second = Pair(server, "shop", "shop"), Pair(standby, "shop", "shop")
            first.s("INSERT INTO ev (id, v) VALUES (1, 'first')")
            eventually(lambda: second.s("SELECT count(*) FROM ev") == "1", "the first row")
            between(second, pair, "ev", **FOLLOW)
            standby.sql("SELECT pg_wal_replay_pause()")
            eventually(lambda: standby.sql("SELECT pg_get_wal_replay_pause_state()")[0][0] == "paused", "the pause")
            first.s("INSERT INTO ev (id, v) VALUES (2, 'behind')")
            between(second, pair, "ev", **FOLLOW)
            assert pair.t("SELECT count(*) FROM ev") == "1"
            standby.sql("SELECT pg_wal_replay_resume()")
            eventually(lambda: second.s("SELECT count(*) FROM ev") == "2", "the second row")
            receipt = between(second, pair, "ev", **FOLLOW)
            assert pair.t("SELECT id, v FROM ev ORDER BY 1") == "1|first\n2|behind"
            assert any("standby" in note for note in receipt.notes), receipt.notes
        finally:
            standby.stop()


@pytest.fixture
def encoded(pair: Pair) -> Iterator[Pair]:
    """The same two databases, and a third of another encoding for the source."""
    made = Pair(pair.server, f"odd_{pair.source}", pair.target)
    yield made
    pair.sql("postgres", f"DROP DATABASE IF EXISTS {made.source} WITH (FORCE)")


def in_encoding(encoded: Pair, name: str) -> None:
    encoded.sql(
        "postgres",
        f"CREATE DATABASE {encoded.source} ENCODING '{name}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
    )


@pytest.mark.parametrize("lane", ["relay", "typed"])
@pytest.mark.parametrize(("name", "text"), [("LATIN1", "Größe, naïf"), ("WIN1251", "Привет"), ("EUC_JP", "日本語")])
def test_texts_of_other_encodings_arrive_as_they_read(encoded: Pair, name: str, text: str, lane: str) -> None:
    in_encoding(encoded, name)
    encoded.s("CREATE TABLE t (id int PRIMARY KEY, v text)", f"INSERT INTO t VALUES (1, '{text}')")
    encoded.copy("t", lane=lane)
    assert encoded.t("SELECT v, octet_length(v) FROM t") == f"{text}|{len(text.encode())}"


@pytest.mark.parametrize("lane", ["relay", "typed"])
def test_a_text_that_the_target_s_encoding_does_not_have_stops_the_copy(encoded: Pair, lane: str) -> None:
    in_encoding(encoded, "LATIN1")
    back = Pair(encoded.server, encoded.target, encoded.source)
    back.s("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'fine'), (2, 'Привет')")
    with pytest.raises(EtlError, match=r"LATIN1|encoding"):
        back.copy("t", lane=lane)
    assert back.t("SELECT to_regclass('t') IS NULL") == "t"
    back.tidy()


@pytest.mark.parametrize("lane", ["relay", "typed"])
def test_bytes_without_an_encoding_are_no_text_and_told(encoded: Pair, lane: str) -> None:
    in_encoding(encoded, "SQL_ASCII")
    encoded.s("CREATE TABLE t (id int PRIMARY KEY, v text)", r"INSERT INTO t VALUES (1, E'a\xff')")
    with pytest.raises(EtlError) as told:
        encoded.copy("t", lane=lane)
    assert "0xff" in str(told.value) or "UTF" in str(told.value)
    assert encoded.t("SELECT to_regclass('t') IS NULL") == "t"


@pytest.fixture
def two_ends(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name db.test has two addresses, and nobody listens at the first."""
    asked: list[str] = []
    original = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        if host != "db.test":
            return original(host, *rest, **more)
        asked.append(host)
        both = ((socket.AF_INET, "127.0.0.9"), (socket.AF_INET, "127.0.0.1"))
        return [(family, 1, 6, "", (address, 0)) for family, address in both]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_of_several_addresses_one_that_answers_is_taken(pair: Pair, road: Road, two_ends: list[str]) -> None:
    pair.s("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    named = Pair(dataclasses.replace(pair.server, host="db.test"), pair.source, pair.target)
    target = dataclasses.replace(road.target, server=dataclasses.replace(road.target.server, host="db.test"))
    ends = Ends(named.connector(pair.source).open_source, target.connector().open_destination)
    assert transfer.run(pair.order("t"), ends, Progress(), Stop()).rows == 1
    assert len(two_ends) >= 2
    assert road.target.sql("SELECT id FROM t") == "1"
