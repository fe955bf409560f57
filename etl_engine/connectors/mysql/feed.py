"""Rows on their way into a table: LOAD DATA fed from memory where the server takes it, else INSERT of many rows.

LOAD DATA LOCAL never fails for a value: it bends it and warns. So whatever it warns of, and a count that is not that of
the rows fed, is an error, and the transaction is rolled back.
"""

import io
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pymysql
from pyarrow import csv
from pymysql import err
from pymysql.constants import COMMAND
from pymysql.protocol import LoadLocalPacketWrapper, OKPacketWrapper

from etl_engine.connectors.catalogue.mysql import back_quoted
from etl_engine.connectors.hexadecimal import to_hexadecimal
from etl_engine.connectors.mysql.refusals import HINTS, KIND, number_and_text, translated
from etl_engine.connectors.mysql.session import SEND_SECONDS, Session
from etl_engine.connectors.mysql.types import as_hex, base_of
from etl_engine.connectors.rows import Rows
from etl_engine.errors import Rejected, Unreachable
from etl_engine.faultpoints import faultpoint
from etl_engine.model.table import Column, Family

_NAME = "etl-engine rows"
_COLUMN = re.compile(r"column (?:`[^`]*`\.)*[`']([^`']+)[`'] at row")
_PACKET_BYTES = 1 << 18
_STATEMENT_BYTES = 1 << 20
_STALLED_SECONDS = 600.0
# The server, or the account's client library, does not take rows from the client.
_NO_LOCAL_LOAD = {1148, 3948, 4166, 1235, 1295}
_CSV = csv.WriteOptions(include_header=False, quoting_style="all_valid", null_string="NULL")
_FORMAT = (
    "CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'"
)


def load(session: Session, table: str, columns: Sequence[Column], rows: Rows, what: str) -> int:
    """Into `table` as SQL writes it. Answers how many rows the server says it took."""
    feed = _Feed(session, columns, rows, what)
    if session.variable("local_infile") == "ON":
        asked = _ask_to_load(session, table, columns, what)
        if asked:
            return feed.load()
    return feed.insert(table)


def _ask_to_load(session: Session, table: str, columns: Sequence[Column], what: str) -> bool:
    """Whether the server waits for rows now."""
    names, settings = [], []
    for number, column in enumerate(columns):
        name, variable = back_quoted(column.name), f"@etl_{number}"
        made = _from_text(column, variable)
        names.append(variable if made else name)
        if made:
            settings.append(f"{name} = {made}")
    statement = (
        f"LOAD DATA LOCAL INFILE '{_NAME}' INTO TABLE {table} {_FORMAT} ({', '.join(names)})"
        f"{' SET ' + ', '.join(settings) if settings else ''}"
    )
    connection = session.connection
    try:
        connection._execute_command(COMMAND.COM_QUERY, statement)
        packet = connection._read_packet()
    except pymysql.Error as error:
        if number_and_text(error)[0] in _NO_LOCAL_LOAD:
            return False
        raise translated(error, session, f"writing to {what}") from error
    if not packet.is_load_local_packet() or LoadLocalPacketWrapper(packet).filename != _NAME.encode():
        connection._force_close()
        raise Unreachable(f"{session.where} asks for another file than it was offered", kind=KIND)
    return True


def _from_text(column: Column, variable: str) -> str:
    """How the server makes the value of the text it is sent; "" where the text is the value."""
    if column.type.family is Family.BYTES or as_hex(column.type):
        return f"UNHEX({variable})"
    return f"CAST(CONV({variable}, 2, 10) AS UNSIGNED)" if column.type.family is Family.BITS else ""


class _Feed:
    """One load."""

    def __init__(self, session: Session, columns: Sequence[Column], rows: Rows, what: str) -> None:
        self._session = session
        self._columns = columns
        self._rows = rows
        self._what = what
        self._fed = 0

    def load(self) -> int:
        """The server waits for the rows as a file."""
        session, connection = self._session, self._session.connection
        lines = _Line(session)
        try:
            for batch in self._batches():
                lines.send(_written(batch))
                del batch
        except BaseException:
            # The end of the file is the only way out: what was sent so far is loaded, and rolled back.
            self._end_early(lines)
            raise
        with session.translating(f"writing to {self._what}"):
            lines.end()
            answer = OKPacketWrapper(connection._read_packet())
        connection.server_status = answer.server_status
        if answer.affected_rows != self._fed or answer.warning_count:
            self._refuse(int(answer.affected_rows))
        return int(answer.affected_rows)

    def insert(self, table: str) -> int:
        """Where the server does not load: many rows a statement, in strict mode, so that a misfit is an error."""
        taken = 0
        head = f"INSERT INTO {table} ({', '.join(back_quoted(column.name) for column in self._columns)}) VALUES "  # noqa: S608
        most = min(_STATEMENT_BYTES, int(self._session.variable("max_allowed_packet")) // 2)
        for batch in self._batches():
            for rows in _statements(_literals(batch, self._columns), most):
                taken += self._session.run(head + rows, doing=f"writing to {self._what}")
        if taken != self._fed:
            self._refuse(taken)
        return taken

    def _batches(self) -> Iterator[pa.RecordBatch]:
        """As texts that the server reads back exactly."""
        names = [f"c{number}" for number in range(len(self._columns))]
        for batch in self._rows.batches():
            for column, values in zip(self._columns, batch.columns, strict=True):
                if values.null_count and not column.nullable:
                    raise self._null(column, values)
            sent = [_sent(values, column) for column, values in zip(self._columns, batch.columns, strict=True)]
            made, count = [pa.RecordBatch.from_arrays(sent, names)], batch.num_rows
            del batch, values, sent  # a cell of a hundred megabytes is not held by who has passed it on
            yield made.pop()
            self._fed += count
            faultpoint("copy.loading")

    def _null(self, column: Column, values: pa.Array) -> Rejected:
        row = self._fed + pc.index(values.is_null(), True).as_py() + 1
        return Rejected(
            f"Row {row} has NULL in the column {column.name}, and {self._what} takes none there",
            kind=KIND,
            native_code="1048",
            hint=HINTS[1048],
            context={"column": column.name},
        )

    def _refuse(self, taken: int) -> None:
        told = self._session.rows("SHOW WARNINGS LIMIT 3")
        number, text = (int(told[0][1]), str(told[0][2])) if told else (0, "it does not say why")
        column = _COLUMN.search(text)
        more = f", and {len(told) - 1} more such" if len(told) > 1 else ""
        raise Rejected(
            f"{self._what} would not hold these rows as they are ({taken} of {self._fed} taken): {text}{more}",
            kind=KIND,
            native_code=str(number or ""),
            hint=HINTS.get(number, "Widen the column of the target, or give it the type of the source."),
            context={"column": column[1]} if column else None,
        )

    def _end_early(self, lines: "_Line") -> None:
        session = self._session
        if session.stopped or not session.connection.open or lines.broken:
            session.connection._force_close()
            return
        try:
            lines.end()
            session.connection._read_packet()
        except (pymysql.Error, OSError, Unreachable):
            pass


class _Line:
    """Sends packets, and looks after the session where they do not move on."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._connection = session.connection
        self._most = min(_PACKET_BYTES, int(session.connection.max_allowed_packet) - 1)
        self.broken = False

    def send(self, data: memoryview) -> None:
        for start in range(0, len(data), self._most):
            self._packet(data[start : start + self._most])

    def end(self) -> None:
        self._packet(memoryview(b""))

    def _packet(self, part: memoryview) -> None:
        connection = self._connection
        head = len(part).to_bytes(3, "little") + bytes([connection._next_seq_id])
        connection._next_seq_id = (connection._next_seq_id + 1) % 256
        left = memoryview(head + part)
        line: Any = connection._sock
        if line is None:
            raise self._lost("the connection is closed")
        line.settimeout(SEND_SECONDS)
        connection._current_timeout = SEND_SECONDS
        moved = time.monotonic()
        while left:
            try:
                left = left[line.send(left) :]
                moved = time.monotonic()
            except TimeoutError:
                if time.monotonic() - moved > _STALLED_SECONDS or not self._session.alive():
                    raise self._lost("it takes no more rows") from None
            except OSError as error:
                raise self._lost(str(error)) from error

    def _lost(self, why: str) -> Exception:
        self.broken = True
        self._connection._force_close()
        return translated(err.OperationalError(2013, f"Lost connection while rows were sent: {why}"), self._session)


def _written(batch: pa.RecordBatch) -> memoryview:
    sink = io.BytesIO()
    csv.write_csv(batch, sink, _CSV)
    return sink.getbuffer()


def _sent(values: pa.Array, column: Column) -> pa.Array:
    given = values.type
    if pa.types.is_binary(given):
        return to_hexadecimal(values)
    if column.type.family is Family.TIMESTAMP and column.type.zoned and pa.types.is_string(given):
        return _without_zone(values)  # the session's is UTC
    if pa.types.is_float32(given):  # the shortest text of the largest float is beyond it for who reads it as a double
        return values.cast(pa.float64()).cast(pa.string())
    if base_of(column.native) == "year":  # a year of fewer digits would be one of this century
        return pc.utf8_lpad(values.cast(pa.string()), 4, "0")
    if pa.types.is_boolean(given):
        return values.cast(pa.int8())
    return values if pa.types.is_string(given) else values.cast(pa.string())


def _without_zone(values: pa.Array) -> pa.Array:
    if pc.all(pc.ends_with(values, "+00")).as_py():
        return pc.utf8_slice_codeunits(values, 0, -len("+00"))
    return pc.replace_substring_regex(values, r"\+00(:00)?$", "")


def _literals(batch: pa.RecordBatch, columns: Sequence[Column]) -> pa.Array:
    """Each row as a list of literals in parentheses."""
    made = []
    for column, text in zip(columns, batch.columns, strict=True):
        escaped = pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), "'", "''")
        literal = pc.binary_join_element_wise("'", escaped, "'", "")
        wrap = _from_text(column, "{}").partition("{}")
        if wrap[1]:
            literal = pc.binary_join_element_wise(wrap[0], literal, wrap[2], "")
        made.append(pc.fill_null(literal, "NULL"))
    return pc.binary_join_element_wise("(", pc.binary_join_element_wise(*made, ","), ")", "")


def _statements(literals: pa.Array, most: int) -> Iterator[str]:
    part: list[str] = []
    size = 0
    for literal in literals.to_pylist():
        if part and size + len(literal) > most:
            yield ",".join(part)
            part, size = [], 0
        part.append(literal)
        size += len(literal)
    if part:
        yield ",".join(part)
