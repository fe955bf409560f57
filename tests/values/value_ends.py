"""Ends of copies: each is filled by its own system's client, and read by its own system's reader."""

import datetime as dt
import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from copying import Pair
from mysql_copying import Database
from value_cases import CORPUS, Case
from value_cases import rows as corpus_rows
from value_rows import MEANINGS, literal

from etl_engine.connectors import registry
from etl_engine.connectors.contract import Surroundings
from etl_engine.model.copies import CopyReceipt

Found = dict[int, dict[str, str]]  # by number: the values that are there, as texts of their system
Kept = tuple[int, str, str]  # number, column and value of a row that was kept apart
_LAX = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION'"


class End(ABC):
    """One end, of one kind."""

    kind: str

    @property
    @abstractmethod
    def connector(self) -> Any: ...

    def fill(self, table: str) -> str:
        """Write the corpus; answers how the table is named as a source."""
        raise NotImplementedError

    def give(self, table: str, natives: Sequence[Any], rows: Sequence[tuple[Any, ...]]) -> str:
        """Write rows of the columns of `value_rows`, under their numbers."""
        raise NotImplementedError

    @abstractmethod
    def read(self, table: str) -> Found: ...

    @abstractmethod
    def kept(self, table: str, receipt: CopyReceipt) -> list[Kept]: ...


def _shape(cases: dict[str, Case]) -> str:
    return ", ".join(f"{name} {case.native}" for name, case in cases.items())  # names that no system reserves


def found_rows(names: Sequence[str], values: Iterable[Sequence[str | None]]) -> Found:
    made: Found = {}
    for row in values:
        there = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        number = int(there.pop("id"))
        assert number not in made, f"row {number} is there twice"
        made[number] = there
    return made


def _from_hex(cell: str, nothing: str) -> str | None:
    return None if cell == nothing else bytes.fromhex(cell).decode()


def kept_rows(contents: Iterable[Sequence[str]]) -> list[Kept]:
    return [(int(json.loads(content)["id"]), column, value) for column, value, content in contents]


def _columns(natives: Sequence[Any]) -> str:
    return ", ".join(f"{name} {native}" for name, native in zip(MEANINGS, natives, strict=True))


def _values(kind: str, rows: Sequence[tuple[Any, ...]]) -> str:
    return ", ".join(f"({', '.join(literal(kind, value) for value in row)})" for row in rows)


class Postgresql(End):
    """By psql."""

    kind = "postgresql"

    def __init__(self, pair: Pair, name: str) -> None:
        self._pair = pair
        self._name = name

    @property
    def connector(self) -> Any:
        return self._pair.connector(self._name)

    def _sql(self, *statements: str) -> str:
        return self._pair.sql(self._name, *statements)

    def fill(self, table: str) -> str:
        cases = CORPUS[self.kind]
        self._sql(
            f"CREATE TABLE {table} (id int PRIMARY KEY, {_shape(cases)})",
            ";".join(
                f"INSERT INTO {table} (id, {name}) VALUES ({n}, {value})" for n, name, value in corpus_rows(self.kind)
            ),
        )
        return table

    def give(self, table: str, natives: Sequence[Any], rows: Sequence[tuple[Any, ...]]) -> str:
        self._sql(f"CREATE TABLE {table} (id int PRIMARY KEY, {_columns(natives)})")
        for part in (rows[start : start + 200] for start in range(0, len(rows), 200)):
            self._sql(f"INSERT INTO {table} VALUES {_values(self.kind, part)}")
        return table

    def read(self, table: str) -> Found:
        query = f"SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = '{table}'::regclass"
        types = dict(line.split("|") for line in self._sql(f"{query} AND attnum > 0 ORDER BY attnum").splitlines())
        cells = [
            f"CASE WHEN \"{one}\" IS NULL THEN '~' ELSE encode(convert_to({_pg_text(one, type_)}, 'UTF8'), 'hex') END"
            for one, type_ in types.items()
        ]
        told = self._sql(f"SELECT {', '.join(cells)} FROM {table}")
        return found_rows(
            list(types), ([_from_hex(cell, "~") for cell in line.split("|")] for line in told.splitlines())
        )

    def kept(self, table: str, receipt: CopyReceipt) -> list[Kept]:
        cells = ", ".join(f"encode(convert_to({one}, 'UTF8'), 'hex')" for one in ('"column"', "value", "content"))
        told = self._sql(f"SELECT {cells} FROM _etl_rejects WHERE run_id = '{receipt.run_id}'")
        return kept_rows([bytes.fromhex(cell).decode() for cell in line.split("|")] for line in told.splitlines())


def _pg_text(name: str, type_: str) -> str:
    """As the server writes a value to clients: a cast would cut the padding of a char."""
    if type_ == "bytea":
        return f"encode({name}, 'hex')"
    return f"to_json({name})::text" if type_.endswith("[]") else f"concat({name})"


class Mysql(End):
    """By the client `mariadb`."""

    kind = "mysql"

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def connector(self) -> Any:
        return self._database.connector()

    def fill(self, table: str) -> str:
        cases = CORPUS[self.kind]
        self._database.sql(
            f"CREATE TABLE {table} (id int PRIMARY KEY, {_shape(cases)}) ROW_FORMAT=DYNAMIC",
            _LAX,
            *(f"INSERT INTO {table} (id, {name}) VALUES ({n}, {value})" for n, name, value in corpus_rows(self.kind)),
        )
        return table

    def give(self, table: str, natives: Sequence[Any], rows: Sequence[tuple[Any, ...]]) -> str:
        self._database.sql(
            f"CREATE TABLE {table} (id int PRIMARY KEY, {_columns(natives)}) COLLATE utf8mb4_bin",
            f"INSERT INTO {table} VALUES {_values(self.kind, rows)}",
        )
        return table

    def read(self, table: str) -> Found:
        told = self._database.sql(
            "SELECT column_name, data_type, column_type FROM information_schema.columns "
            f"WHERE table_schema = DATABASE() AND table_name = '{table}' ORDER BY ordinal_position"
        )
        types = {name: (short, whole) for name, short, whole in (line.split("\t") for line in told.splitlines())}
        cells = [f"IF(`{one}` IS NULL, '~', HEX({_mysql_text(one, *type_)}))" for one, type_ in types.items()]
        told = self._database.sql(f"SELECT {', '.join(cells)} FROM `{table}`")
        return found_rows(
            list(types), ([_from_hex(cell, "~") for cell in line.split("\t")] for line in told.splitlines())
        )

    def kept(self, table: str, receipt: CopyReceipt) -> list[Kept]:
        cells = ", ".join(f"HEX(CONVERT(`{one}` USING utf8mb4))" for one in ("column", "value", "content"))
        told = self._database.sql(f"SELECT {cells} FROM _etl_rejects WHERE run_id = '{receipt.run_id}'")
        return kept_rows([bytes.fromhex(cell).decode() for cell in line.split("\t")] for line in told.splitlines())


def _mysql_text(name: str, short: str, whole: str) -> str:
    if "binary" in short or "blob" in short:
        return f"HEX(`{name}`)"
    if short == "bit":
        return f"LPAD(BIN(`{name}`), {whole[4:-1]}, '0')"
    value = f"`{name}` * 1E0" if short == "float" else f"`{name}`"
    text = f"CONVERT(CAST({value} AS CHAR) USING utf8mb4)"
    return f"CONCAT({text}, '+00')" if short == "timestamp" else text  # an instant, in the zone of the session


class Sqlite(End):
    """By the module sqlite3."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "values.sqlite"
        self._sql("VACUUM")

    def _sql(self, *statements: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=10)) as database:
            for statement in statements:
                cursor = database.execute(statement)
            return [one[0] for one in cursor.description or ()], cursor.fetchall()

    @property
    def connector(self) -> Any:
        return _made("sqlite", self._path)

    def fill(self, table: str) -> str:
        self._sql(
            f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {_shape(CORPUS[self.kind])})",
            *(f"INSERT INTO {table} (id, {name}) VALUES ({n}, {value})" for n, name, value in corpus_rows(self.kind)),
        )
        return table

    def give(self, table: str, natives: Sequence[Any], rows: Sequence[tuple[Any, ...]]) -> str:
        self._sql(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {_columns(natives)})")
        with closing(sqlite3.connect(self._path)) as database, database:
            marks = ", ".join("?" * (len(natives) + 1))
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", [list(map(_bound, row)) for row in rows])
        return table

    def read(self, table: str) -> Found:
        names, found = self._sql(f"SELECT * FROM {table}")
        return found_rows(names, ([python_text(value) for value in row] for row in found))

    def kept(self, table: str, receipt: CopyReceipt) -> list[Kept]:
        return kept_rows(
            self._sql(f"SELECT \"column\", value, content FROM _etl_rejects WHERE run_id = '{receipt.run_id}'")[1]
        )


def _bound(value: Any) -> Any:
    """The module has no dates and no decimals of its own."""
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    return str(value) if isinstance(value, Decimal | dt.date) else value


def _made(kind: str, path: Path) -> Any:
    found = registry.kind(kind)
    config = found.config.model_validate({"name": "one end", "db_type": kind, "database": path.name})
    return found.make(config, Surroundings(file_roots=(path.parent,)))


def python_text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.hex()
    return repr(value) if isinstance(value, float) else str(value)


class Duckdb(End):
    """By the module duckdb."""

    kind = "duckdb"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "values.duckdb"
        self._sql("SELECT 1")

    def _sql(self, *statements: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self._path) as database:
            database.execute("SET TimeZone = 'UTC'")
            for statement in statements:
                answer = database.execute(statement).fetchall()
        return list(answer)

    @property
    def connector(self) -> Any:
        return _made("duckdb", self._path)

    def fill(self, table: str) -> str:
        self._sql(
            f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {_shape(CORPUS[self.kind])})",
            *(f"INSERT INTO {table} (id, {name}) VALUES ({n}, {value})" for n, name, value in corpus_rows(self.kind)),
        )
        return table

    def give(self, table: str, natives: Sequence[Any], rows: Sequence[tuple[Any, ...]]) -> str:
        self._sql(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {_columns(natives)})")
        with duckdb.connect(self._path) as database:
            database.begin()
            marks = ", ".join("?" * (len(natives) + 1))
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
            database.commit()
        return table

    def read(self, table: str) -> Found:
        query = (
            f"SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = '{table}' ORDER BY column_index"
        )
        types = dict(self._sql(query))
        cells = ", ".join(_duck_text(one, type_) for one, type_ in types.items())
        return found_rows(list(types), self._sql(f"SELECT {cells} FROM {table}"))

    def kept(self, table: str, receipt: CopyReceipt) -> list[Kept]:
        return kept_rows(
            self._sql(f"SELECT \"column\", value, content FROM _etl_rejects WHERE run_id = '{receipt.run_id}'")
        )


def _duck_text(name: str, type_: str) -> str:
    if type_ == "BLOB":
        return f"lower(hex({name}))"
    nested = type_.endswith("]") or type_.startswith(("STRUCT", "MAP"))
    return f"CAST({f'to_json({name})' if nested else name} AS VARCHAR)"
