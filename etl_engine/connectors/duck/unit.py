"""One transaction in DuckDB: rows, ledger line and cursor, together or not at all."""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from etl_engine.connectors.duck import catalog
from etl_engine.connectors.duck.catalog import listed, quoted
from etl_engine.connectors.duck.foreseeing import AT, Rules, changed, unreadable
from etl_engine.connectors.duck.ledger import SEEN, Ledger
from etl_engine.connectors.duck.refusals import KIND, translated
from etl_engine.connectors.duck.session import Session
from etl_engine.connectors.duck.showing import shown
from etl_engine.connectors.duck.types import house_type, is_nested, writing
from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.rows import ROW, Claim, Entry, Foreseen, Place, Reject, Rows, Unit, UnknownCommit
from etl_engine.errors import Rejected
from etl_engine.faultpoints import faultpoint
from etl_engine.model.table import Column, TableName

STAGE = "temp.main._etl_stage"
_SHOWN_CHARACTERS = 200
_COMING, _LOOKED_AT = "_etl_coming", "_etl_looked_at"
# Rows seen longer ago than this can only come again after a transaction that stays open for as long.
_REMEMBERED = "INTERVAL 2 DAY"
_UNCERTAIN = (duckdb.IOException, duckdb.FatalException, duckdb.InternalException)


class DuckdbUnit(Unit):
    """Begins with the first statement, and leaves nothing behind unless it is committed."""

    def __init__(self, session: Session, ledger: Ledger, claim: Claim, name: TableName) -> None:
        self._session = session
        self._ledger = ledger
        self._claim = claim
        self._name = name
        self._into = {Place.STAGE: STAGE, Place.TARGET: quoted(name), Place.SUCCESSOR: quoted(name)}
        self._staged = False
        self._left_out: set[int] = set()  # staged rows that the target would refuse
        session.begin()

    def create(self, place: Place, columns: Sequence[Column], key: Sequence[str] = ()) -> None:
        session = self._session
        if place is Place.STAGE:
            session.run(create_table(STAGE, columns, (), temporary=True), doing="making the stage")
            self._staged = True
            return
        existing = catalog.find(session, quoted(self._name)) if place is Place.SUCCESSOR else None
        if existing is None:
            session.run(create_table(quoted(self._name), columns, key), doing=f"making {self._name}")
            return
        self._empty(existing)

    def add_columns(self, columns: Sequence[Column]) -> None:
        for column in columns:
            self._session.run(
                add_column(quoted(self._name), column), doing=f"adding the column {column.name} to {self._name}"
            )

    def load(self, rows: Rows, place: Place, columns: Sequence[str]) -> int:
        natives = self._natives(place)
        made = ", ".join(_written(name, natives[name]) for name in columns)
        insert = f"INSERT INTO {self._into[place]} ({listed(columns)}) SELECT {made} FROM {_COMING}"  # noqa: S608
        nested = [(name, natives[name]) for name in columns if is_nested(natives[name])]
        taken = 0
        for batch in rows.batches():
            table = pa.Table.from_arrays(list(map(_readable, batch.columns)), names=list(columns))
            try:
                with shown(self._session.connection, _COMING, table):
                    for name, native in nested:
                        self._insist_on_whole(name, native, taken)
                    taken += self._affected(insert)
            except Rejected as error:
                raise self._with_its_row(error, table, [(one, natives[one]) for one in columns], taken) from error
            del batch, table
            faultpoint("copy.loading")
        return taken

    foresees = True

    def foresee(self, rows: Rows | None, place: Place, columns: Sequence[str], key: Sequence[str]) -> Foreseen:
        """A refused row ends the whole transaction here, so it is looked for before."""
        if rows is None:
            staged = f"(SELECT *, {ROW} AS {AT} FROM {self._relation})"  # noqa: S608
            found = Rules(self._session, self._name, columns, key).broken_by(staged)
            self._left_out |= found.keys()
            return found
        natives, connection = self._natives(place), self._session.connection
        (batch,) = rows.batches()
        numbers = pa.array(range(batch.num_rows), pa.int64())
        table = pa.Table.from_arrays([*map(_readable, batch.columns), numbers], names=[*columns, AT])
        with shown(connection, _LOOKED_AT, table):
            found = dict(unreadable(self._session, _LOOKED_AT, [(one, natives[one]) for one in columns]))
            if place is not Place.STAGE:
                made = ", ".join(f"{_written(one, natives[one])} AS {double_quoted(one)}" for one in columns)
                wrong = f"WHERE {AT} NOT IN ({', '.join(map(str, found))})" if found else ""
                typed = f"(SELECT {made}, {AT} FROM {_LOOKED_AT} {wrong})"  # noqa: S608
                found |= Rules(self._session, self._name, columns, ()).broken_by(typed)
        return found

    def keep_apart(self, batch_id: str, rejects: Sequence[Reject]) -> None:
        self._ledger.keep_apart(self._claim, batch_id, rejects)

    def append_staged(self, columns: Sequence[str]) -> int:
        return self._affected(
            f"INSERT INTO {quoted(self._name)} ({listed(columns)}) SELECT {listed(columns)} FROM {self._relation}"  # noqa: S608
        )

    def drop_seen(self, key: Sequence[str], version: Sequence[str], *, versions_hold: bool) -> int:
        row_version, cursor, _ = map(double_quoted, version)
        seen = self._ledger.table(SEEN)
        same = f"n.version IS NOT DISTINCT FROM s.{row_version}" if versions_hold else "true"
        matching = (
            f"n.stream = ? AND n.key = {_key_text(key)} AND n.cursor IS NOT DISTINCT FROM s.{cursor} AND "
            f"({same} OR s.{row_version} IS NULL OR n.version IS NULL)"
        )
        self._affected(f"UPDATE {seen} AS n SET seen_at = now() FROM {STAGE} s WHERE {matching}", self._claim.stream)  # noqa: S608
        return self._affected(f"DELETE FROM {STAGE} AS s USING {seen} n WHERE {matching}", self._claim.stream)  # noqa: S608

    def remember_seen(self, key: Sequence[str], version: Sequence[str]) -> None:
        row_version, cursor, again = map(double_quoted, version)
        seen = self._ledger.table(SEEN)
        self._affected(f"DELETE FROM {seen} WHERE stream = ? AND seen_at < now() - {_REMEMBERED}", self._claim.stream)  # noqa: S608
        self._affected(
            f"INSERT INTO {seen} (stream, key, version, cursor) "  # noqa: S608
            f"SELECT ?, {_key_text(key)}, s.{row_version}, s.{cursor} FROM {STAGE} s WHERE s.{again} = 'true'",
            self._claim.stream,
        )

    def merge_staged(self, columns: Sequence[str], key: Sequence[str], newest: str, *, distinct: bool) -> int:
        self._insist_on_keys(key)
        values, order = listed(columns), ""
        chosen = values
        if not distinct:
            chosen = f"DISTINCT ON ({listed(key)}) {values}"
            order = f" ORDER BY {listed(key)}, {_newest_first(columns, newest)}"
        others = [name for name in columns if name not in key]
        changes = ", ".join(f"{double_quoted(name)} = EXCLUDED.{double_quoted(name)}" for name in others)
        return self._affected(
            f"INSERT INTO {quoted(self._name)} ({values}) SELECT {chosen} FROM {self._relation}{order} "  # noqa: S608
            f"ON CONFLICT ({listed(key)}) DO {f'UPDATE SET {changes}' if others else 'NOTHING'}"
        )

    def settle_staged(self, columns: Sequence[str], key: Sequence[str], newest: str) -> None:
        self._affected(
            f"DELETE FROM {STAGE} WHERE {ROW} IN (SELECT {ROW} FROM {STAGE} QUALIFY "  # noqa: S608
            f"row_number() OVER (PARTITION BY {listed(key)} ORDER BY {_newest_first(columns, newest)}) > 1)"
        )

    def delete_staged(self, key: Sequence[str]) -> int:
        same = " AND ".join(f"t.{double_quoted(name)} = s.{double_quoted(name)}" for name in key)
        return self._affected(f"DELETE FROM {quoted(self._name)} AS t USING {STAGE} s WHERE {same}")  # noqa: S608

    def succeed(self, key: Sequence[str]) -> None:
        """The rows are in the target already, which was emptied or made with its key."""

    def record(self, entry: Entry) -> None:
        self._ledger.record(self._claim, entry)

    def commit(self) -> None:
        if self._staged:
            self._session.run(f"DROP TABLE {STAGE}")
        faultpoint("copy.committing")
        try:
            self._session.commit()
        except duckdb.Error as error:
            made = translated(error, self._session.file, f"committing into {self._name}")
            if isinstance(error, _UNCERTAIN):
                raise UnknownCommit(str(made)) from error
            raise made from error

    def rollback(self) -> None:
        self._session.rollback()

    def _empty(self, existing: catalog.Found) -> None:
        """The old rows go, and the table stays with its indexes, its defaults and all that refers to it by name."""
        referring = self._session.rows(
            "SELECT table_name FROM duckdb_constraints() WHERE database_name = current_database() AND schema_name = ? "
            "AND constraint_type = 'FOREIGN KEY' AND referenced_table = ? AND table_name <> ? LIMIT 1",
            (existing.name.schema, existing.name.name, existing.name.name),
        )
        if referring:
            raise Rejected(
                f"{referring[0][0]} refers to {self._name} by a foreign key: replacing all of its rows would leave "
                "those without their row",
                kind=KIND,
                hint="Use --mode merge with --key, or drop the foreign key for the time of the copy.",
            )
        self._session.run(f"DELETE FROM {existing.sql}", doing=f"emptying {self._name}")  # noqa: S608

    def _natives(self, place: Place) -> dict[str, str]:
        rows = self._session.rows(f"DESCRIBE {self._into[place]}")
        return {row[0]: row[1] for row in rows}

    @property
    def _relation(self) -> str:
        """The staged rows without those that were left out."""
        if not self._left_out:
            return STAGE
        return f"(SELECT * FROM {STAGE} WHERE {ROW} NOT IN ({', '.join(map(str, sorted(self._left_out)))}))"  # noqa: S608

    def _affected(self, statement: str, *values: str) -> int:
        return self._session.changed(statement, *values, doing=f"writing to {self._name}")

    def _insist_on_whole(self, name: str, native: str, before: int) -> None:
        column = double_quoted(name)
        found = self._session.rows(
            f"SELECT {column} FROM {_COMING} WHERE {changed(column, _written(name, native))} LIMIT 1",  # noqa: S608
            doing=f"writing to {self._name}",
        )
        if found:
            raise Rejected(
                f"After row {before}: the value {str(found[0][0])[:200]!r} of the column {name} does not fit {native}",
                kind=KIND,
                hint="Make the column of the target JSON.",
            )

    def _with_its_row(
        self, error: Rejected, table: pa.Table, natives: Sequence[tuple[str, str]], before: int
    ) -> Rejected:
        """The transaction is over, and the rows are still there to be asked which of them it was."""
        self._session.rollback()
        numbered = table.append_column(AT, pa.array(range(table.num_rows), pa.int64()))
        with shown(self._session.connection, _LOOKED_AT, numbered):
            found = unreadable(self._session, _LOOKED_AT, natives)
        if not found:
            return error
        column, reason = found[min(found)]
        value = str(table.column(column)[min(found)])[:_SHOWN_CHARACTERS]
        return Rejected(
            f"Row {before + min(found) + 1}: the value {value!r} in the column {column} {reason}: {error.message}",
            kind=KIND,
            hint="Repair it, widen the column of the target, or keep such rows apart with --on-reject quarantine.",
            context={"column": column},
        )

    def _insist_on_keys(self, key: Sequence[str]) -> None:
        null = " OR ".join(f"{double_quoted(name)} IS NULL" for name in key)
        (missing,) = self._session.one(f"SELECT count(*) FROM {STAGE} WHERE {null}")  # noqa: S608
        if missing:
            raise Rejected(
                f"{missing} row{'s have' if missing > 1 else ' has'} NULL in the key ({', '.join(key)}): they cannot "
                "be told apart, and merging them would write them again every time",
                kind=KIND,
                hint="Repair them in the source, leave them out with --query, or choose another --key.",
            )


def _written(name: str, native: str) -> str:
    return writing(double_quoted(name), native, house_type(native))


def _newest_first(columns: Sequence[str], newest: str) -> str:
    """The same row wins whatever the order they came in: the newest, then by what the whole row says."""
    by = f"{double_quoted(newest)} DESC NULLS LAST, " if newest else ""
    return by + ", ".join(f"CAST({double_quoted(name)} AS VARCHAR) DESC NULLS LAST" for name in columns)


def add_column(sql_name: str, column: Column) -> str:
    return f"ALTER TABLE {sql_name} ADD COLUMN {double_quoted(column.name)} {column.native}".rstrip()


def create_table(sql_name: str, columns: Sequence[Column], key: Sequence[str], *, temporary: bool = False) -> str:
    lines = [
        f"{double_quoted(column.name)} {column.native}{'' if column.nullable or temporary else ' NOT NULL'}"
        for column in columns
    ]
    if key:
        lines.append(f"PRIMARY KEY ({listed(key)})")
    inside = ",\n    ".join(lines)
    if temporary:
        return f"CREATE TEMP TABLE {sql_name.rpartition('.')[2]} (\n    {inside}\n)"
    return f"CREATE TABLE {sql_name} (\n    {inside}\n)"


def _readable(values: pa.Array) -> pa.Array:
    """The library reads decimals of up to 38 digits from Arrow; longer ones go as text."""
    return values.cast(pa.string()) if pa.types.is_decimal256(values.type) else values


def _key_text(key: Sequence[str]) -> str:
    parts = ", ".join(f"CAST(s.{double_quoted(name)} AS VARCHAR)" for name in key)
    return f"CAST(to_json([{parts}]) AS VARCHAR)"
