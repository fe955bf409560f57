"""Ends of every kind: one of each to copy from, one of each to copy into, for all tests of a file."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from copying import Pair
from mysql_copying import Database
from servers import MariadbServer, PostgresServer
from value_copies import Ways
from value_ends import Duckdb, End, Mysql, Postgresql, Sqlite
from value_files import Csv, Jsonl, Lake, Parquet


@pytest.fixture(scope="module")
def ways(
    postgres_server: PostgresServer, mariadb_server: MariadbServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ways]:
    mark = uuid4().hex[:12]
    pair = Pair(postgres_server, f"values_from_{mark}", f"values_into_{mark}")
    databases = [Database(mariadb_server, one) for one in (pair.source, pair.target)]
    postgres_server.sql(f"CREATE DATABASE {pair.source}", f"CREATE DATABASE {pair.target}")
    mariadb_server.sql(*(f"CREATE DATABASE {one.name} CHARACTER SET utf8mb4" for one in databases))
    sides = []
    for database, name in zip(databases, (pair.source, pair.target), strict=True):
        folder = tmp_path_factory.mktemp(name)
        sides.append(_side(folder, Postgresql(pair, name), Mysql(database)))
    yield Ways(*sides)
    mariadb_server.sql(*(f"DROP DATABASE {one.name}" for one in databases))
    for name in (pair.source, pair.target):
        postgres_server.sql(f"DROP DATABASE {name} WITH (FORCE)")


def _side(folder: Path, *servers: End) -> dict[str, End]:
    files = (Parquet(folder / "parquet"), Csv(folder / "csv"), Jsonl(folder / "jsonl"), Lake(folder / "lake"))
    return {end.kind: end for end in (*servers, Sqlite(folder), Duckdb(folder), *files)}
