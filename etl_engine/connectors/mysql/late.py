"""Cursor runs: which rows to read again, because they may have been committed late.

A row says nothing of the transaction that wrote it, and its time is that of the statement or of the client's clock. So
each run says from where the next one has to read again: as far behind the cursor as the oldest transaction is old that
is open now, and a look-back more; but never from before its own beginning, as what is open now and was open then has
been reckoned with, and what began later has later times. A row seen twice is recognised by its key and its cursor,
which are kept of all rows from there on.
"""

from dataclasses import dataclass

from etl_engine.connectors.catalogue.mysql import back_quoted
from etl_engine.connectors.mysql.names import literal
from etl_engine.connectors.mysql.session import Session
from etl_engine.connectors.mysql.values import text_of, written
from etl_engine.connectors.rows import Look, Mark, Moment, Window
from etl_engine.errors import BadInput, Conflict, Refused
from etl_engine.model.table import Column, Family, Table

BACK_SECONDS = 300.0
# The server shows its transactions from a cache of a tenth of a second, with starts cut to whole seconds.
_UNSEEN_SECONDS = 1.5
_USEFUL = {Family.TIMESTAMP, Family.DATE, Family.INTEGER, Family.DECIMAL, Family.TEXT, Family.UUID}
_TIMES = {Family.TIMESTAMP, Family.DATE}
_OLDEST = """
SELECT TIMESTAMPDIFF(MICROSECOND, MIN(trx_started), NOW(6)) / 1000000 FROM information_schema.innodb_trx
WHERE trx_mysql_thread_id <> CONNECTION_ID()
"""


@dataclass(frozen=True)
class Open:
    """How long the oldest transaction was open just before the snapshot; None where this login may not know."""

    seconds: float | None


def look_around(session: Session) -> Open:
    try:
        session.run("SET SESSION time_zone = 'SYSTEM'")  # the start of a transaction is told by the server's clock
        (age,) = session.one(_OLDEST)
    except Refused:
        return Open(None)
    finally:
        session.run("SET SESSION time_zone = '+00:00'")
    return Open(max(0.0, float(age or 0)) + _UNSEEN_SECONDS)


def cursor_column(table: Table, look: Look) -> Column:
    """The column, if a cursor can be made of it."""
    column = table.column(look.column)
    if column is None:
        raise BadInput(
            f"There is no column {look.column!r} to follow", hint=f"The columns are: {', '.join(table.names)[:300]}"
        )
    if column.type.family not in _USEFUL:
        raise BadInput(
            f"The column {look.column!r} is of type {column.native}, which has no useful order",
            hint="Follow a column of time, date or number that only grows.",
        )
    return column


class Follower:
    """One look of a cursor, inside the snapshot it reads from."""

    def __init__(self, session: Session, look: Look, table: Table, before: Open) -> None:
        self.look = look
        self.column = cursor_column(table, look)
        self.floor: Mark | None = None
        self._session = session
        self._before = before
        self._covered = ""
        self._again_from: Mark | None = None
        self._timed = self.column.type.family in _TIMES
        self._back = BACK_SECONDS if look.back_seconds is None else look.back_seconds

    def begin(self, relation: str) -> Window:
        """`relation` is what to select from; the snapshot is already there."""
        self._decide()
        if self.column.nullable and self.look.nulls == "raise":
            self._insist_on_values(relation)
        reached = self._reached(relation)
        state = {"system": self._session.identity}
        if self._before.seconds is None:
            state["hidden"] = "others"
        self._again_from = self._behind(reached) if reached else None
        if self._again_from and self.floor and self._timed:
            self._again_from = max(self._again_from, self.floor, key=lambda mark: mark.text)
        if self._again_from:
            state["again"] = self._again_from.text
        return Window(Moment(self.look.column, reached, state), self.floor, self._covered)

    def conditions(self) -> list[str]:
        """What a row must fulfil to be read."""
        name = back_quoted(self.look.column)
        if self.floor:
            made = f"{name} >= {written(self.column, self.floor.text)}"
            return [f"({made} OR {name} IS NULL)" if self.look.nulls == "include" else made]
        return [f"{name} IS NOT NULL"] if self.look.nulls == "exclude" else []

    def version(self) -> list[str]:
        """The version of a row, which there is none of; its cursor; and whether a later run may read it again."""
        name, again = back_quoted(self.look.column), "TRUE"
        if self._again_from:
            again = f"COALESCE({name} >= {written(self.column, self._again_from.text)}, TRUE)"
        return ["CAST(NULL AS CHAR)", text_of(self.column), f"IF({again}, 'true', 'false')"]

    def _decide(self) -> None:
        since = self.look.since
        if since is None or since.reached is None:
            self._covered = "The first run reads every row."
            return
        if since.reached.native != self.column.native:
            raise Conflict(
                f"The cursor column {self.look.column} was {since.reached.native} at the last run and is "
                f"{self.column.native} now",
                hint="Begin anew with --restart.",
            )
        again = since.source.get("again")
        self.floor = Mark(again, since.reached.native) if again else None
        if not self._timed:
            self._covered = (
                "Late commits below the cursor are not found: it is no time, and MySQL keeps none with a row."
            )
            return
        why = "as old as the oldest transaction was at the last run, and the look-back of that run more"
        if "hidden" in since.source:
            why = (
                "the look-back of the last run, since this login may not see how long others have been at work "
                "(GRANT PROCESS helps)"
            )
        self._covered = f"Late commits are found from {again or 'the beginning'} on: {why}."

    def _behind(self, reached: Mark) -> Mark | None:
        """From where the next run reads again. A time that the calendar does not have has nothing before it: all."""
        if not self._timed:
            return reached
        micros = int((self._back + (self._before.seconds or 0.0)) * 1_000_000)
        moment = f"CAST({literal(reached.text)} AS DATETIME(6)) - INTERVAL {micros} MICROSECOND"
        text = self._session.one(f"SELECT CAST(CAST({moment} AS {self._kind}) AS CHAR)")[0]
        return None if text is None or str(text).startswith("0000") else Mark(str(text), reached.native)

    @property
    def _kind(self) -> str:
        if self.column.type.family is Family.DATE:
            return "DATE"
        return f"DATETIME({self.column.type.precision or 0})"

    def _insist_on_values(self, relation: str) -> None:
        name = back_quoted(self.look.column)
        if self._session.one(f"SELECT EXISTS (SELECT 1 FROM {relation} WHERE {name} IS NULL)")[0]:  # noqa: S608
            raise BadInput(
                f"The cursor column {self.look.column} is NULL in some rows",
                hint="Say what to do with them: --null-cursor include (read them every time) or exclude.",
            )

    def _reached(self, relation: str) -> Mark | None:
        """The largest value there is, but never one of the future: that would leave behind all that comes before."""
        name = back_quoted(self.look.column)
        where = f" WHERE {name} >= {written(self.column, self.floor.text)}" if self.floor else ""
        most = text_of(self.column, f"MAX({name})")
        (found,) = self._session.one(f"SELECT {most} FROM {relation}{where}")  # noqa: S608
        old = self.look.since.reached if self.look.since else None
        if found is None:
            return old
        text = str(found)
        if self._timed:  # written with the same digits, later ones sort behind earlier ones
            text = max(text, old.text) if old else text
            text = min(text, self._now())
        return Mark(text, self.column.native)

    def _now(self) -> str:
        """A clock without a zone may be that of any zone: fourteen hours ahead of UTC is the latest reading."""
        ahead = "0" if self.column.type.zoned else "14"
        (text,) = self._session.one(
            f"SELECT CAST(CAST(UTC_TIMESTAMP(6) + INTERVAL {ahead} HOUR AS {self._kind}) AS CHAR)"
        )
        return str(text)
