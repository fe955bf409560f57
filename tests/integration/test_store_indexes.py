"""The indexes of the data model really exist: unique name, db_type, updated_at descending."""

from pathlib import Path
from typing import Any

import mongomock
import sqlalchemy as sa
from store_servers import new_database

from etl_engine.model.collections import CONNECTIONS
from etl_engine.store.mongo import MongoStore
from etl_engine.store.sql import SqlStore

WANTED = {("name", 1, True), ("name_key", 1, True), ("db_type", 1, False), ("updated_at", -1, False)}


def test_in_mongodb() -> None:
    client = mongomock.MongoClient()
    store = MongoStore("mongodb://localhost", "etl", client_class=lambda *_, **__: client)
    store.open([CONNECTIONS])
    indexes = client["etl"]["connections"].index_information().values()
    assert {(*index["key"][0], index.get("unique", False)) for index in indexes} - {("_id", 1, False)} == WANTED


def test_in_postgresql(postgres_server: Any) -> None:
    store = SqlStore(new_database(postgres_server))
    store.open([CONNECTIONS])
    database = str(store.place).rpartition("/")[2]
    definitions = [
        row[0]
        for row in postgres_server.sql(
            "SELECT indexdef FROM pg_indexes WHERE tablename = 'connections'", database=database
        )
    ]
    assert (
        "CREATE UNIQUE INDEX connections_name_key ON public.connections USING btree (name NULLS FIRST)" in definitions
    )
    assert (
        "CREATE UNIQUE INDEX connections_name_key_key ON public.connections USING btree (name_key NULLS FIRST)"
        in definitions
    )
    assert "CREATE INDEX connections_db_type_idx ON public.connections USING btree (db_type NULLS FIRST)" in definitions
    assert (
        "CREATE INDEX connections_updated_at_idx ON public.connections USING btree (updated_at DESC NULLS LAST)"
        in definitions
    )
    store.close()


def test_in_sqlite(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/store.db")
    store.open([CONNECTIONS])
    engine = sa.create_engine(f"sqlite:///{tmp_path}/store.db")
    with engine.connect() as connection:
        made = {
            row.name: row.sql
            for row in connection.execute(
                sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
            )
        }
        plan = str(
            connection.execute(
                sa.text("EXPLAIN QUERY PLAN SELECT _doc FROM connections ORDER BY updated_at DESC, _id LIMIT 50")
            ).all()
        )
    engine.dispose()
    assert made == {
        "connections_name_key": "CREATE UNIQUE INDEX connections_name_key ON connections (name ASC)",
        "connections_name_key_key": "CREATE UNIQUE INDEX connections_name_key_key ON connections (name_key ASC)",
        "connections_db_type_idx": "CREATE INDEX connections_db_type_idx ON connections (db_type ASC)",
        "connections_updated_at_idx": "CREATE INDEX connections_updated_at_idx ON connections (updated_at DESC)",
    }
    assert "USING INDEX connections_updated_at_idx" in plan
    store.close()


def test_sqlite_keeps_what_it_acknowledged_and_shows_it_to_nobody_else(tmp_path: Path) -> None:
    modes: list[tuple[Any, ...]] = []

    def look(connection: sa.Connection) -> None:
        raw: Any = connection.connection.dbapi_connection
        modes.append((*raw.execute("PRAGMA journal_mode").fetchone(), *raw.execute("PRAGMA synchronous").fetchone()))

    store = SqlStore(f"sqlite:///{tmp_path}/folder/store.db")
    sa.event.listen(sa.Engine, "commit", look)
    try:
        store.open([CONNECTIONS])
    finally:
        sa.event.remove(sa.Engine, "commit", look)
    assert set(modes) == {("wal", 2)}  # 2 is FULL
    files = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "folder").iterdir()}
    assert files == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700
    store.close()
