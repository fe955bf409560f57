"""Reading from MySQL: one snapshot, the rows as the server sends them."""

import contextlib
import inspect
import itertools
from collections.abc import Generator, Sequence

import pyarrow as pa
import pymysql

from etl_engine.connectors.arrow_rows import ArrowRows
from etl_engine.connectors.carriers import carried
from etl_engine.connectors.catalogue.mysql import back_quoted
from etl_engine.connectors.mysql import catalog, hashes, packets
from etl_engine.connectors.mysql.catalog import Found
from etl_engine.connectors.mysql.cells import Decoder
from etl_engine.connectors.mysql.late import Follower, look_around
from etl_engine.connectors.mysql.names import quoted
from etl_engine.connectors.mysql.one_query import one_query
from etl_engine.connectors.mysql.refusals import KIND
from etl_engine.connectors.mysql.session import Session
from etl_engine.connectors.mysql.values import ORDERED, asked, text_of, written
from etl_engine.connectors.rows import ARROW, Fingerprint, KeyRange, Rows, Selection, Source, Window
from etl_engine.errors import Rejected
from etl_engine.model.table import Column, Table, TableName

_SNAPSHOT = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
# What is read of an answer that nobody wants any more, before the line is cut instead.
_MOST_DRAINED = 64 << 20
_TOO_LARGE = 1301


class MysqlSource(Source):
    """One session that reads."""

    reads_pieces = compares_pieces = True

    def __init__(self, session: Session) -> None:
        self._session = session
        self._follower: Follower | None = None
        self._found: Found | None = None
        self._rows: Rows | None = None
        self.identity = session.identity
        # Asking for the columns of a query runs the functions in it, and these may write.
        session.run("SET SESSION TRANSACTION READ ONLY")

    def describe(self, selection: Selection) -> Table:
        if selection.query:
            return catalog.only(catalog.describe_query(self._session, one_query(selection.query)), selection.columns)
        found = catalog.must_find(self._session, selection.table)
        return catalog.describe(self._session, found, selection.columns)

    def forms(self, table: Table) -> tuple[str, ...]:
        return (ARROW,)

    def begin(self, selection: Selection) -> Window | None:
        session = self._session
        before = look_around(session) if selection.look else None
        session.run(*_SNAPSHOT, doing="taking a snapshot")
        self._follower = None
        self._found = None if selection.query else catalog.must_find(session, selection.table)
        if not selection.look or before is None:
            return None
        self._follower = Follower(session, selection.look, self.describe(selection), before)
        return self._follower.begin(self._relation(selection))

    def pieces(self, table: Table, rows: int) -> list[KeyRange]:
        key = [column for name in table.key if (column := table.column(name))]
        if not key or table.name is None or rows < 1 or any(column.type.family not in ORDERED for column in key):
            return [KeyRange(table.key)]
        texts = ", ".join(map(text_of, key))
        order = ", ".join(back_quoted(column.name) for column in key)
        bounds: list[tuple[str, ...]] = []
        while True:
            where = f" WHERE {_bound(key, '>', bounds[-1], or_equal=True)}" if bounds else ""
            # The names are those of the table: a text that is called like its column would be sorted by.
            inside = f"SELECT {order} FROM {quoted(table.name)}{where} ORDER BY {order} LIMIT {rows}, 1"  # noqa: S608
            found = self._session.rows(f"SELECT {texts} FROM ({inside}) AS etl_bound")  # noqa: S608
            if not found:
                break
            bounds.append(tuple(map(str, found[0])))
        edges: list[tuple[str, ...] | None] = [None, *bounds, None]
        return [KeyRange(table.key, low, high) for low, high in itertools.pairwise(edges)]

    def read(self, selection: Selection, table: Table, form: str) -> Rows:
        expressions = list(map(asked, table.columns))
        if selection.version_columns:
            assert self._follower is not None  # noqa: S101 - versions are of cursor runs
            expressions += self._follower.version()
        where = self._where(selection, table)
        enough = f" LIMIT {selection.enough:d}" if selection.enough else ""
        query = f"SELECT {', '.join(expressions)} FROM {self._relation(selection)}{where}{enough}"  # noqa: S608
        self._rows = MysqlRows(self._session, query, table, selection.version_columns)
        return self._rows

    def fingerprint(self, selection: Selection, columns: Sequence[Column], *, each: bool) -> Fingerprint:
        where = ""
        if selection.piece:
            where = self._where(selection, self.describe(Selection(selection.table, columns=selection.piece.key)))
        if selection.look and selection.look.nulls == "exclude":
            where = f" WHERE {back_quoted(selection.look.column)} IS NOT NULL"
        return hashes.fingerprint(self._session, self._relation(selection) + where, columns, each=each)

    def limit_time(self, seconds: float) -> None:
        if self._session.dialect.mariadb:
            self._session.run(f"SET SESSION max_statement_time = {seconds:g}")
        else:
            self._session.run(f"SET SESSION max_execution_time = {round(seconds * 1000)}")

    def end(self) -> None:
        if self._rows:
            self._rows.close()
        self._session.rollback()

    def stop(self) -> None:
        self._session.stop()

    def close(self) -> None:
        self._session.close()

    def _relation(self, selection: Selection) -> str:
        if selection.query:
            return f"(\n{one_query(selection.query)}\n) AS etl_query"
        name: TableName = self._found.name if self._found else catalog.must_find(self._session, selection.table).name
        return quoted(name)

    def _where(self, selection: Selection, table: Table) -> str:
        conditions = self._follower.conditions() if self._follower else []
        piece = selection.piece
        if piece and (piece.low is not None or piece.high is not None):
            key = [column for name in piece.key if (column := table.column(name))]
            if piece.low is not None:
                conditions.append(_bound(key, ">", piece.low, or_equal=True))
            if piece.high is not None:
                conditions.append(_bound(key, "<", piece.high, or_equal=False))
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _bound(key: Sequence[Column], compare: str, bound: Sequence[str], *, or_equal: bool) -> str:
    """The comparison of two rows, written out: MySQL finds no index for `(a, b) >= (1, 2)`."""
    last = len(key) - 1
    made = []
    for place, (column, text) in enumerate(zip(key, bound, strict=True)):
        equal = [
            f"{back_quoted(one.name)} = {written(one, value)}" for one, value in zip(key[:place], bound, strict=False)
        ]
        sign = f"{compare}=" if or_equal and place == last else compare
        made.append(" AND ".join([*equal, f"{back_quoted(column.name)} {sign} {written(column, text)}"]))
    return f"({' OR '.join(f'({one})' for one in made)})" if last else made[0]


class MysqlRows(ArrowRows):
    """One query, read as fast as somebody takes its rows."""

    def __init__(self, session: Session, query: str, table: Table, version_columns: Sequence[str]) -> None:
        super().__init__(str(table.name or "the query"))
        self._session = session
        self._query = query
        self._columns = table.columns
        schema = carried(table.columns)
        for name in version_columns:
            schema = schema.append(pa.field(name, pa.string()))
        self._schema = schema

    def _make(self) -> Generator[pa.RecordBatch, None, None]:
        session, decoder = self._session, Decoder(self._columns, self._what)
        doing = f"reading {self._what}"
        with session.translating(doing):
            answer = packets.ask(session.connection, self._query)
        try:
            held: list[pa.RecordBatch] = []  # never more than one, and none while somebody works on what was made of it
            while self._next(answer, held, doing):
                yield decoder.batch(held.pop(), self._schema, self.on_reject)
        finally:
            self._give_up(answer)
        self._insist_on_no_warnings()

    def _next(self, answer: packets.Answer, held: list[pa.RecordBatch], doing: str) -> bool:
        with self._session.translating(doing):
            held.extend(itertools.islice(answer.blocks, 1))
        return bool(held)

    def _insist_on_no_warnings(self) -> None:
        """A text that is larger than the server's packets comes as NULL, with a warning and nothing else."""
        for _, number, text in self._session.rows("SHOW WARNINGS LIMIT 20"):
            if number == _TOO_LARGE:
                raise Rejected(
                    f"The server left out a value of {self._what}: {text}",
                    kind=KIND,
                    native_code=str(number),
                    hint="Raise max_allowed_packet at the server, and run the copy again.",
                )

    def _give_up(self, answer: packets.Answer) -> None:
        """End the query at the server, and take what is still on its way; the session goes on."""
        session = self._session
        if (
            inspect.getgeneratorstate(answer.blocks) == inspect.GEN_CLOSED
            or not session.connection.open
            or session.stopped
        ):
            return
        session.cancel()
        drained = 0
        with contextlib.suppress(pymysql.Error, OSError):  # whatever the server says of a query that was ended
            for block in answer.blocks:
                drained += block.nbytes
                if drained > _MOST_DRAINED:
                    session.cut()
