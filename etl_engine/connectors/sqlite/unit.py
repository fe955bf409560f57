"""One transaction in SQLite: rows, ledger line and cursor, together or not at all."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.rows import ROW, Claim, Entry, Place, Reject, Rows, Unit, UnknownCommit
from etl_engine.connectors.sqlite import catalog
from etl_engine.connectors.sqlite.catalog import listed, quoted
from etl_engine.connectors.sqlite.ledger import SEEN, Ledger
from etl_engine.connectors.sqlite.refusals import KIND, translated
from etl_engine.connectors.sqlite.session import Session
from etl_engine.connectors.sqlite.types import holding_type
from etl_engine.errors import Rejected
from etl_engine.faultpoints import faultpoint
from etl_engine.model.table import Column, Family, TableName, Type

STAGE = "temp._etl_stage"
_OF_THE_FILE = ("SQLITE_FULL", "SQLITE_CORRUPT", "SQLITE_NOTADB")
_NOW = "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')"
# Rows seen longer ago than this can only come again after a transaction that stays open for as long.
_FORGOTTEN = "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now', '-2 days')"


class SqliteUnit(Unit):
    """Holds the file's only write lock from its first statement on, and leaves nothing behind unless committed."""

    def __init__(self, session: Session, ledger: Ledger, claim: Claim, name: TableName) -> None:
        self._session = session
        self._ledger = ledger
        self._claim = claim
        self._name = name
        self._into = {Place.STAGE: STAGE, Place.TARGET: quoted(name.name), Place.SUCCESSOR: quoted(name.name)}
        self._staged = False
        self._relation = STAGE  # what is taken out of the stage
        self._indexes: list[str] = []
        if session.readers_wait:  # one of them may be the source of this very copy, which ends before the commit
            session.run("PRAGMA cache_spill = OFF")
        session.run("BEGIN IMMEDIATE", doing=f"writing to {name}")

    def create(self, place: Place, columns: Sequence[Column], key: Sequence[str] = ()) -> None:
        session = self._session
        if place is Place.STAGE:
            session.run(create_table(STAGE, columns, key, loose=True), doing="making the stage")
            self._staged = True
            return
        existing = catalog.find(session, double_quoted(self._name.name)) if place is Place.SUCCESSOR else None
        if existing is None:
            session.run(create_table(quoted(self._name.name), columns, key), doing=f"making {self._name}")
            return
        self._empty(existing)

    def add_columns(self, columns: Sequence[Column]) -> None:
        for column in columns:
            self._session.run(
                add_column(quoted(self._name.name), column), doing=f"adding the column {column.name} to {self._name}"
            )

    def load(self, rows: Rows, place: Place, columns: Sequence[str]) -> int:
        types = self._types(place)
        marks = ", ".join("?" for _ in columns)
        insert = f"INSERT INTO {self._into[place]} ({listed(columns)}) VALUES ({marks})"  # noqa: S608 - quoted names
        taken = 0
        for batch in rows.batches():
            values = [_values(batch.column(number), types[name], name, taken) for number, name in enumerate(columns)]
            taken += self._insert(insert, values, batch.num_rows, taken)
            faultpoint("copy.loading")
        return taken

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        session = self._session
        session.run("SAVEPOINT etl_attempt")
        try:
            yield
        except Rejected:
            session.run("ROLLBACK TO etl_attempt")
            raise
        finally:
            if session.connection.in_transaction:
                session.run("RELEASE etl_attempt")

    def keep_apart(self, batch_id: str, rejects: Sequence[Reject]) -> None:
        self._ledger.keep_apart(self._claim, batch_id, rejects)

    def append_staged(self, columns: Sequence[str]) -> int:
        return self._affected(
            f"INSERT INTO {quoted(self._name.name)} ({listed(columns)}) SELECT {listed(columns)} FROM {self._relation}"  # noqa: S608
        )

    def drop_seen(self, key: Sequence[str], version: Sequence[str], *, versions_hold: bool) -> int:
        row_version, cursor, _ = map(double_quoted, version)
        same = f"n.version IS s.{row_version} OR" if versions_hold else "true OR"
        matching = (
            f"n.stream = ? AND n.key = {_key_text(key)} AND n.cursor IS s.{cursor} AND "
            f"({same} s.{row_version} IS NULL OR n.version IS NULL)"
        )
        self._affected(
            f"UPDATE {SEEN} SET seen_at = {_NOW} WHERE rowid IN "  # noqa: S608
            f"(SELECT n.rowid FROM {STAGE} s CROSS JOIN {SEEN} n WHERE {matching})",
            self._claim.stream,
        )
        return self._affected(
            f"DELETE FROM {STAGE} AS s WHERE EXISTS (SELECT 1 FROM {SEEN} n WHERE {matching})",  # noqa: S608
            self._claim.stream,
        )

    def remember_seen(self, key: Sequence[str], version: Sequence[str]) -> None:
        row_version, cursor, again = map(double_quoted, version)
        self._affected(f"DELETE FROM {SEEN} WHERE stream = ? AND seen_at < {_FORGOTTEN}", self._claim.stream)  # noqa: S608
        self._affected(
            f"INSERT INTO {SEEN} (stream, key, version, cursor) "  # noqa: S608
            f"SELECT ?, {_key_text(key)}, s.{row_version}, s.{cursor} FROM {STAGE} s WHERE s.{again} = 'true'",
            self._claim.stream,
        )

    def merge_staged(self, columns: Sequence[str], key: Sequence[str], newest: str, *, distinct: bool) -> int:
        self._insist_on_keys(key)
        rules = self._rules(key)
        self._insist_on_keys_apart(key, rules)
        values = listed(columns)
        chosen = f"SELECT {values} FROM {self._relation} WHERE true"  # noqa: S608
        if not distinct:
            place = _place(columns, [f"{double_quoted(name)} COLLATE {rules[name]}" for name in key], newest)
            chosen = f"SELECT {values} FROM (SELECT {values}, {place} FROM {STAGE}) WHERE _etl_place = 1"  # noqa: S608
        others = [name for name in columns if name not in key]
        changes = ", ".join(f"{double_quoted(name)} = excluded.{double_quoted(name)}" for name in others)
        return self._affected(
            f"INSERT INTO {quoted(self._name.name)} ({values}) {chosen} "
            f"ON CONFLICT ({listed(key)}) DO {f'UPDATE SET {changes}' if others else 'NOTHING'}"
        )

    def blames_a_row(self, error: Rejected) -> bool:
        return not error.native_code.startswith(_OF_THE_FILE)

    def settle_staged(self, columns: Sequence[str], key: Sequence[str], newest: str) -> None:
        place = _place(columns, list(map(double_quoted, key)), newest)  # keys that are alike here only are told later
        self._affected(
            f"DELETE FROM {STAGE} WHERE {ROW} IN "  # noqa: S608
            f"(SELECT {ROW} FROM (SELECT {ROW}, {place} FROM {STAGE}) WHERE _etl_place > 1)"
        )

    def narrow(self, numbers: tuple[int, int] | None) -> None:
        self._relation = STAGE
        if numbers:
            self._relation = f"(SELECT * FROM {STAGE} WHERE {ROW} BETWEEN {numbers[0]:d} AND {numbers[1]:d})"  # noqa: S608

    def delete_staged(self, key: Sequence[str]) -> int:
        target = quoted(self._name.name)
        same = " AND ".join(f"{target}.{double_quoted(name)} = s.{double_quoted(name)}" for name in key)
        return self._affected(f"DELETE FROM {target} WHERE EXISTS (SELECT 1 FROM {STAGE} s WHERE {same})")  # noqa: S608

    def succeed(self, key: Sequence[str]) -> None:
        for statement in self._indexes:
            self._session.run(statement, doing=f"building the indexes of {self._name} again")

    def record(self, entry: Entry) -> None:
        self._ledger.record(self._claim, entry)

    def commit(self) -> None:
        if self._staged:
            self._session.run(f"DROP TABLE {STAGE}")
        faultpoint("copy.committing")
        connection = self._session.connection
        try:
            self._session.patiently_raw(lambda: connection.execute("COMMIT"))
        except sqlite3.Error as error:
            made = translated(error, self._session.file, f"committing into {self._name}")
            if str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_IOERR"):
                raise UnknownCommit(str(made)) from error
            raise made from error

    def rollback(self) -> None:
        self._session.rollback()

    def _empty(self, existing: catalog.Found) -> None:
        """The old rows go. What hangs on the table stays; its indexes are built at the end."""
        session = self._session
        referring = session.rows(
            "SELECT t.name FROM pragma_table_list t, pragma_foreign_key_list(t.name) f "
            "WHERE t.schema = 'main' AND f.\"table\" = ? COLLATE NOCASE AND t.name <> ? LIMIT 1",
            (existing.name, existing.name),
        )
        if referring:
            raise Rejected(
                f"{referring[0][0]} refers to {self._name} by a foreign key: replacing all of its rows would leave "
                "those without their row, or delete them",
                kind=KIND,
                hint="Use --mode merge with --key, or drop the foreign key for the time of the copy.",
            )
        made = session.rows(
            "SELECT name, sql FROM main.sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
            (existing.name,),
        )
        for index, statement in made:
            session.run(f"DROP INDEX main.{double_quoted(index)}")
            self._indexes.append(statement)
        session.run(f"DELETE FROM {existing.sql}", doing=f"emptying {self._name}")  # noqa: S608

    def _types(self, place: Place) -> dict[str, Type]:
        schema, name = ("temp", "_etl_stage") if place is Place.STAGE else ("main", self._name.name)
        rows = self._session.rows("SELECT name, type FROM pragma_table_xinfo(?, ?)", (name, schema))
        return {name: holding_type(native) for name, native in rows}

    def _insert(self, statement: str, values: list[list[Any]], rows: int, before: int) -> int:
        coming = zip(*values, strict=True)
        try:
            return int(self._session.connection.executemany(statement, coming).rowcount)
        except sqlite3.Error as error:
            at = before + rows - sum(1 for _ in coming)
            raise translated(error, self._session.file, f"writing row {at} to {self._name}") from error

    def _affected(self, statement: str, *values: Any) -> int:
        return self._session.run_with(statement, *values, doing=f"writing to {self._name}")

    def _rules(self, key: Sequence[str]) -> dict[str, str]:
        found = catalog.must_find(self._session, double_quoted(self._name.name))
        known = catalog.collations(self._session, found)
        return {name: known.get(name, "BINARY") for name in key}

    def _insist_on_keys(self, key: Sequence[str]) -> None:
        null = " OR ".join(f"{double_quoted(name)} IS NULL" for name in key)
        (missing,) = self._session.one(f"SELECT count(*) FROM {self._relation} WHERE {null}")  # noqa: S608
        if missing:
            raise Rejected(
                f"{missing} row{'s have' if missing > 1 else ' has'} NULL in the key ({', '.join(key)}): they cannot "
                "be told apart, and merging them would write them again every time",
                kind=KIND,
                hint="Repair them in the source, leave them out with --query, or choose another --key.",
            )

    def _insist_on_keys_apart(self, key: Sequence[str], rules: dict[str, str]) -> None:
        """Two keys of the source that this target takes for one: one of the rows would be lost without a word."""
        if all(rule == "BINARY" for rule in rules.values()):
            return
        alike = ", ".join(f"{double_quoted(name)} COLLATE {rules[name]}" for name in key)
        apart = " OR ".join(f"min({double_quoted(name)}) <> max({double_quoted(name)})" for name in key)
        found = self._session.rows(
            f"SELECT {', '.join(f'min({double_quoted(name)})' for name in key)}, "  # noqa: S608
            f"{', '.join(f'max({double_quoted(name)})' for name in key)} "
            f"FROM {self._relation} GROUP BY {alike} HAVING {apart} LIMIT 1"
        )
        if found:
            half = len(key)
            raise Rejected(
                f"The keys {found[0][:half]!r} and {found[0][half:]!r} are two in the source and one in {self._name}, "
                "which compares them without regard to upper and lower case, or to spaces",
                kind=KIND,
                hint="Give the key column of the target COLLATE BINARY, or repair the keys in the source.",
            )


def _place(columns: Sequence[str], alike: Sequence[str], newest: str) -> str:
    """The same row wins whatever the order they came in: the newest comes first, then by what the whole row says."""
    by = f"{double_quoted(newest)} DESC NULLS LAST, " if newest else ""
    whole = ", ".join(f"{double_quoted(name)} DESC" for name in columns)
    return f"row_number() OVER (PARTITION BY {', '.join(alike)} ORDER BY {by}{whole}) AS _etl_place"


def add_column(sql_name: str, column: Column) -> str:
    return f"ALTER TABLE {sql_name} ADD COLUMN {double_quoted(column.name)} {column.native}".rstrip()


def create_table(sql_name: str, columns: Sequence[Column], key: Sequence[str], *, loose: bool = False) -> str:
    lines = [
        f"{double_quoted(column.name)} {column.native}".rstrip() + ("" if column.nullable or loose else " NOT NULL")
        for column in columns
    ]
    if key:
        lines.append(f"PRIMARY KEY ({listed(key)})")
    inside = ",\n    ".join(lines)
    if loose:
        return f"CREATE TEMP TABLE {sql_name.removeprefix('temp.')} (\n    {inside}\n)"
    return f"CREATE TABLE {sql_name} (\n    {inside}\n)"


def _values(array: pa.Array, type_: Type, name: str, before: int) -> list[Any]:
    """As the library binds them. Decimals go as text, of which the column's affinity makes the nearest number."""
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.string())
    elif pa.types.is_floating(array.type):
        _refuse_nan(array, name, before)
    elif type_.family is Family.TIMESTAMP and type_.zoned and pa.types.is_string(array.type):
        array = pc.replace_substring_regex(array, r"\+00$", "+00:00")
    if not array.null_count and pa.types.is_integer(array.type):
        return list(array.to_numpy(zero_copy_only=False).tolist())
    return list(array.to_pylist())


def _refuse_nan(array: pa.Array, name: str, before: int) -> None:
    """SQLite would store it as NULL without a word."""
    is_nan = pc.fill_null(pc.is_nan(array), False)
    if pc.any(is_nan).as_py():
        row = before + pc.index(is_nan, True).as_py() + 1
        raise Rejected(
            f"Row {row}: the column {name} is NaN, which SQLite cannot hold",
            kind=KIND,
            hint="Make it NULL with --query, or keep such rows apart with --on-reject quarantine.",
            context={"column": name},
        )


def _key_text(key: Sequence[str]) -> str:
    """By storage class and bytes: 1 is not '1', and ('a,b') is not ('a', 'b')."""
    parts = [f"substr(typeof(s.{double_quoted(name)}), 1, 1) || hex(s.{double_quoted(name)})" for name in key]
    return " || ',' || ".join(parts)
