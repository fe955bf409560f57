"""One transaction in PostgreSQL: rows, ledger line and cursor, together or not at all."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import extensions

from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.pg import catalog, successor
from etl_engine.connectors.pg.blocks import BlockFeed
from etl_engine.connectors.pg.catalog import KIND, listed, quoted
from etl_engine.connectors.pg.ledger import SEEN, Ledger
from etl_engine.connectors.pg.refusals import translated
from etl_engine.connectors.pg.session import Session
from etl_engine.connectors.pg.source import BINARY, BLOCKS, TEXT
from etl_engine.connectors.rows import ROW, Claim, Entry, Place, Reject, Rows, Unit, UnknownCommit
from etl_engine.errors import Rejected
from etl_engine.faultpoints import faultpoint
from etl_engine.model.table import Column, TableName

if TYPE_CHECKING:
    from etl_engine.connectors.pg.feed import Feed

STAGE = 'pg_temp."_etl_stage"'
# A domain's values travel as those of the type below it.
_TYPES = """
SELECT a.attname, b.typname, b.typtype, t.typcategory FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
"""
# Classes of SQLSTATE: of data, of integrity, of a view's check, of limits, and what triggers raise.
_OF_A_ROW = ("22", "23", "44", "54", "P0")
_BLOCK = 1 << 17
_IDLE = "10min"  # a target is not kept locked by a process that does not move any more
# Rows seen longer ago than this can only come again after a transaction that stays open for as long.
_REMEMBERED = "interval '2 days'"


def _idle_for(most: str) -> str:
    return f"SET LOCAL idle_in_transaction_session_timeout = '{most}'"


class PostgresqlUnit(Unit):
    """Begins with the first statement, and leaves nothing behind unless it is committed."""

    def __init__(self, session: Session, ledger: Ledger, claim: Claim, name: TableName) -> None:
        self._session = session
        self._ledger = ledger
        self._claim = claim
        self._name = name
        self._into = {Place.STAGE: STAGE, Place.TARGET: quoted(name), Place.SUCCESSOR: quoted(name)}
        self._frozen: set[Place] = set()
        self._successor: successor.Successor | None = None
        self._staged = STAGE
        # Copied rows keep the values of identity columns; triggers and rules of the target do what they always do.
        session.run("BEGIN", _idle_for(_IDLE))

    def create(self, place: Place, columns: Sequence[Column], key: Sequence[str] = ()) -> None:
        from etl_engine.connectors.pg.destination import create_table

        session = self._session
        if place is Place.STAGE:
            session.run(create_table(STAGE, columns, key, temporary=True), doing="making the stage")
            self._frozen.add(place)
            return
        existing = catalog.find(session, quoted(self._name)) if place is Place.SUCCESSOR else None
        if existing is None:
            # A successor is loaded faster without its key, which `succeed` gives it.
            keyed = key if place is Place.TARGET else ()
            session.run(create_table(quoted(self._name), columns, keyed), doing=f"making {self._name}")
            self._frozen.add(place)
            return
        self._successor = successor.begin(session, self._name, existing)
        self._into[place] = self._successor.sql
        if self._successor.frozen:
            self._frozen.add(place)

    def add_columns(self, columns: Sequence[Column]) -> None:
        from etl_engine.connectors.pg.destination import add_column

        for column in columns:
            self._session.run(
                add_column(quoted(self._name), column), doing=f"adding the column {column.name} to {self._name}"
            )

    def load(self, rows: Rows, place: Place, columns: Sequence[str]) -> int:
        options, feed = self._feed(rows, place, columns)
        if place in self._frozen:
            # Rows of a table made in this transaction may be frozen at once: a reader whose snapshot is older then
            # finds the new rows, where it would otherwise find an empty table.
            options.append("FREEZE")
        with_options = f" ({', '.join(options)})" if options else ""
        statement = f"COPY {self._into[place]} ({listed(columns)}) FROM STDIN{with_options}"
        with self._session.cursor(f"writing to {self._name}") as cursor:
            try:
                cursor.copy_expert(statement, feed, _BLOCK)
            except (psycopg2.Error, SystemError) as error:
                if feed.error:  # of which the server only tells that something ended
                    raise feed.error from None
                rows.check()  # where the source broke, that is what happened; the target only heard of it
                if isinstance(error.__cause__, psycopg2.Error):  # the driver trips over an error while it asks for more
                    raise error.__cause__ from None
                raise
            return int(cursor.rowcount)

    def _feed(
        self, rows: Rows, place: Place, columns: Sequence[str]
    ) -> tuple[list[str], "_Interrupted | BlockFeed | Feed"]:
        if rows.form == BINARY:
            return ["FORMAT binary"], _Interrupted(rows)
        if rows.form == TEXT:
            return [], _Interrupted(rows)
        if rows.form == BLOCKS:
            return [], BlockFeed(rows)
        from etl_engine.connectors.pg.feed import Catalogued, Feed

        types = {name: Catalogued(*more) for name, *more in self._session.rows(_TYPES, (self._into[place],))}
        self._session.run(_idle_for("0"))  # the first row of a query may take hours, and COPY is not asked for before
        feed = Feed(rows, [types[name] for name in columns])
        self._session.run(_idle_for(_IDLE))
        return [f"FORMAT {feed.format}"], feed

    def append_staged(self, columns: Sequence[str]) -> int:
        return self._affected(
            f"INSERT INTO {quoted(self._name)} ({listed(columns)}) OVERRIDING SYSTEM VALUE "  # noqa: S608
            f"SELECT {listed(columns)} FROM {self._staged}"
        )

    def drop_seen(self, key: Sequence[str], version: Sequence[str], *, versions_hold: bool) -> int:
        row_version, cursor, _ = map(_in_values, version)
        seen = self._ledger.table(SEEN)
        same = f"n.version IS NOT DISTINCT FROM s.{row_version}" if versions_hold else "true"
        matching = (
            f"n.stream = %s AND n.key = {_key_text(key)} AND n.cursor IS NOT DISTINCT FROM s.{cursor} AND "
            f"({same} OR s.{row_version} IS NULL OR n.version IS NULL)"
        )
        self._affected(
            f"UPDATE {seen} n SET seen_at = clock_timestamp() FROM {STAGE} s WHERE {matching}",  # noqa: S608
            (self._claim.stream,),
        )
        return self._affected(f"DELETE FROM {STAGE} s USING {seen} n WHERE {matching}", (self._claim.stream,))  # noqa: S608

    def remember_seen(self, key: Sequence[str], version: Sequence[str]) -> None:
        row_version, cursor, again = map(_in_values, version)
        seen = self._ledger.table(SEEN)
        self._affected(
            f"DELETE FROM {seen} WHERE stream = %s AND seen_at < clock_timestamp() - {_REMEMBERED}",  # noqa: S608
            (self._claim.stream,),
        )
        self._affected(
            f"INSERT INTO {seen} (stream, key, version, cursor) "  # noqa: S608
            f"SELECT %s, {_key_text(key)}, s.{row_version}, s.{cursor} FROM {STAGE} s WHERE s.{again} = 'true'",
            (self._claim.stream,),
        )

    def merge_staged(self, columns: Sequence[str], key: Sequence[str], newest: str, *, distinct: bool) -> int:
        self._insist_on_keys(key)
        values, order = listed(columns), ""
        chosen = values
        if not distinct:
            chosen, order = f"DISTINCT ON ({listed(key)}) {values}", f" ORDER BY {_newest_first(columns, key, newest)}"
        others = [name for name in columns if name not in key]
        changes = ", ".join(f"{double_quoted(name)} = EXCLUDED.{double_quoted(name)}" for name in others)
        return self._affected(
            f"INSERT INTO {quoted(self._name)} ({values}) OVERRIDING SYSTEM VALUE "  # noqa: S608
            f"SELECT {chosen} FROM {self._staged}{order} "
            f"ON CONFLICT ({listed(key)}) DO {f'UPDATE SET {changes}' if others else 'NOTHING'}"
        )

    def blames_a_row(self, error: Rejected) -> bool:
        return not error.native_code or error.native_code.startswith(_OF_A_ROW)

    def settle_staged(self, columns: Sequence[str], key: Sequence[str], newest: str) -> None:
        order = _newest_first(columns, key, newest)
        self._affected(
            f"DELETE FROM {STAGE} WHERE {ROW} NOT IN "  # noqa: S608
            f"(SELECT DISTINCT ON ({listed(key)}) {ROW} FROM {STAGE} ORDER BY {order})"
        )

    def narrow(self, numbers: tuple[int, int] | None) -> None:
        self._staged = STAGE
        if numbers:
            self._staged = f"(SELECT * FROM {STAGE} WHERE {ROW} BETWEEN {numbers[0]:d} AND {numbers[1]:d}) AS etl_part"  # noqa: S608

    def delete_staged(self, key: Sequence[str]) -> int:
        same = " AND ".join(f"t.{double_quoted(name)} = s.{double_quoted(name)}" for name in key)
        return self._affected(f"DELETE FROM {quoted(self._name)} t USING {STAGE} s WHERE {same}")  # noqa: S608

    def succeed(self, key: Sequence[str]) -> None:
        if self._successor:
            self._successor.take_place()
        elif key:
            with_key = f"ALTER TABLE {quoted(self._name)} ADD PRIMARY KEY ({listed(key)})"
            self._session.run(with_key, doing=f"giving {self._name} its primary key")

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        session = self._session
        session.run("SAVEPOINT etl_attempt")
        self._frozen.clear()  # freezing is for the transaction that made the table, not for a part of it
        try:
            yield
            # What is checked at the commit only is checked now: there the row could not be told any more.
            session.run(
                "SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED", doing="looking after its constraints"
            )
        except Rejected:
            session.run("ROLLBACK TO SAVEPOINT etl_attempt")
            raise
        finally:
            if session.connection.info.transaction_status == extensions.TRANSACTION_STATUS_INTRANS:
                session.run("RELEASE SAVEPOINT etl_attempt")

    def keep_apart(self, batch_id: str, rejects: Sequence[Reject]) -> None:
        self._ledger.keep_apart(self._claim, batch_id, rejects)

    def record(self, entry: Entry) -> None:
        self._ledger.record(self._claim, entry)

    def commit(self) -> None:
        connection = self._session.connection
        try:
            with connection.cursor() as cursor:
                faultpoint("copy.committing")
                cursor.execute("COMMIT")
                if cursor.statusmessage != "COMMIT":  # a transaction that had failed before answers ROLLBACK
                    raise Rejected(f"{self._session.where} rolled back instead of committing", kind=KIND)
        except psycopg2.Error as error:
            if connection.closed or not error.pgcode or error.pgcode.startswith(("08", "57P")):
                raise UnknownCommit(str(translated(error, self._session, "committing"))) from error
            raise translated(error, self._session, f"committing into {self._name}") from error

    def rollback(self) -> None:
        self._session.rollback()

    def _affected(self, statement: str, values: Sequence[str] | None = None) -> int:
        with self._session.cursor(f"writing to {self._name}") as cursor:
            cursor.execute(statement, values)
            return int(cursor.rowcount)

    def _insist_on_keys(self, key: Sequence[str]) -> None:
        null = " OR ".join(f"{double_quoted(name)} IS NULL" for name in key)
        (missing,) = self._session.one(f"SELECT count(*) FROM {self._staged} WHERE {null}")  # noqa: S608
        if missing:
            raise Rejected(
                f"{missing} row{'s have' if missing > 1 else ' has'} NULL in the key ({', '.join(key)}): they cannot "
                "be told apart, and merging them would write them again every time",
                kind=KIND,
                hint="Repair them in the source, leave them out with --query, or choose another --key.",
            )


class _Interrupted:
    """The rows, as the driver wants them, with a point between the first block and the rest."""

    def __init__(self, rows: Rows) -> None:
        self.error: BaseException | None = None
        self._rows = rows

    def read(self, size: int = -1) -> bytes:
        try:
            if self._rows.bytes_read:
                faultpoint("copy.loading")
            return self._rows.read(size)
        except BaseException as error:
            self.error = error
            raise


def _newest_first(columns: Sequence[str], key: Sequence[str], newest: str) -> str:
    """The same row wins whatever the order they came in: the newest, then by what the whole row says."""
    by = f"{double_quoted(newest)} DESC NULLS LAST, " if newest else ""
    return f"{listed(key)}, {by}({', '.join(double_quoted(name) + '::text' for name in columns)}) DESC"


def _key_text(key: Sequence[str]) -> str:
    return f"ARRAY[{', '.join(f's.{_in_values(name)}::text' for name in key)}]::text"


def _in_values(name: str) -> str:
    """Quoted for a statement that the driver fills values into: there a percent sign means one of them."""
    return double_quoted(name).replace("%", "%%")
