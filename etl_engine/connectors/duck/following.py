"""Cursor runs: which rows to read again, because they may have been committed late."""

from typing import Any

from etl_engine.connectors.duck.session import Session
from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.rows import Look, Mark, Moment, Window
from etl_engine.errors import BadInput, Conflict
from etl_engine.model.table import Column, Family, Table

BACK_SECONDS = 300.0
_USEFUL = {Family.TIMESTAMP, Family.DATE, Family.INTEGER, Family.DECIMAL, Family.TEXT, Family.UUID}
_TIMES = {Family.TIMESTAMP, Family.DATE}
# A clock without a zone may be that of any zone: fourteen hours before UTC is the latest reading.
_CLOCK = {True: "now()", False: "(now() AT TIME ZONE 'UTC') + INTERVAL 14 HOUR"}
_NO_END = ("infinity", "-infinity")


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
    """One look of a cursor, inside the snapshot it reads from. Marks are texts that the library casts back."""

    def __init__(self, session: Session, look: Look, table: Table, relation: str) -> None:
        self.look = look
        self.column = cursor_column(table, look)
        self._session = session
        self._relation = relation
        self._name = double_quoted(look.column)
        self._floor: str | None = None
        self._again_from: str | None = None
        self._back = BACK_SECONDS if look.back_seconds is None else look.back_seconds

    def begin(self) -> Window:
        since, native = self.look.since, self.column.native
        if since and since.reached and since.reached.native != native:
            raise Conflict(
                f"The cursor column {self.look.column} was {since.reached.native} at the last run and is {native} now",
                hint="Begin anew with --restart.",
            )
        missing = f"SELECT count(*) FROM {self._relation} WHERE {self._name} IS NULL"  # noqa: S608 - quoted names
        if self.look.nulls == "raise" and self._one(missing):
            raise BadInput(
                f"The cursor column {self.look.column} is NULL in some rows",
                hint="Say what to do with them: --null-cursor include (read them every time) or exclude.",
            )
        old = since.reached.text if since and since.reached else None
        if old is not None and since is not None:
            behind = self._behind(old)
            # Never further back than what the last run remembered.
            self._floor = self._later(since.source["again"], behind) if "again" in since.source else behind
        reached = self._reached(old)
        self._again_from = None if reached is None else self._behind(reached)
        state = {} if self._again_from is None else {"again": self._again_from}
        mark = None if reached is None else Mark(reached, native)
        floor = None if self._floor is None else Mark(self._floor, native)
        return Window(Moment(self.look.column, mark, state), floor, self._covered(old))

    def conditions(self) -> tuple[list[str], list[Any]]:
        """What a row must fulfil to be read."""
        if self._floor is not None:
            condition, values = f"{self._name} >= {self._value}", [self._floor]
        elif self.look.nulls == "exclude":
            condition, values = f"{self._name} IS NOT NULL", []
        else:
            return [], []
        if self.look.nulls == "include":
            condition = f"({condition} OR {self._name} IS NULL)"
        return [condition], values

    def version(self) -> tuple[list[str], list[Any]]:
        """There is no version of a row, so its cursor stands for it; and whether a later run may read it again."""
        text = f"CAST({self._name} AS VARCHAR)"
        if self._again_from is None:
            return ["CAST(NULL AS VARCHAR)", text, "'true'"], []
        again = f"CASE WHEN {self._name} < {self._value} THEN 'false' ELSE 'true' END"
        return ["CAST(NULL AS VARCHAR)", text, again], [self._again_from]

    @property
    def _value(self) -> str:
        return f"CAST(? AS {self.column.native})"

    def _covered(self, old: str | None) -> str:
        if old is None:
            return "The first run reads every row."
        if self.column.type.family in _TIMES:
            return f"Late commits are found up to {self._back:g} s behind the cursor."
        return "Late commits below the cursor are not found: it is no time."

    def _one(self, query: str, *values: Any) -> Any:
        return self._session.one(query, values, doing="following the cursor")[0]

    def _later(self, one: str, other: str) -> str:
        return str(self._one(f"SELECT CAST(greatest({self._value}, {self._value}) AS VARCHAR)", one, other))

    def _reached(self, old: str | None) -> str | None:
        """The largest value there is, but never one of the future: that would leave behind all that comes before."""
        where, values = ("", []) if self._floor is None else (f" WHERE {self._name} >= {self._value}", [self._floor])
        most = self._one(f"SELECT CAST(max({self._name}) AS VARCHAR) FROM {self._relation}{where}", *values)  # noqa: S608
        known = [one for one in (most, old) if one is not None]
        if not known:
            return None
        greatest = self._later(known[0], known[-1])
        if self.column.type.family not in _TIMES:
            return greatest
        clock = f"CAST({_CLOCK[self.column.type.zoned]} AS {self.column.native})"
        return self._whole(str(self._one(f"SELECT CAST(least({self._value}, {clock}) AS VARCHAR)", greatest)))

    def _behind(self, reached: str) -> str:
        """Where a later run begins."""
        if self.column.type.family not in _TIMES:
            return reached
        wide = "TIMESTAMPTZ" if self.column.type.zoned else "TIMESTAMP"
        earlier = f"CAST(? AS {wide}) - to_microseconds(CAST(? AS BIGINT))"
        found = self._one(
            f"SELECT CAST(CAST({earlier} AS {self.column.native}) AS VARCHAR)",
            self._whole(reached),
            round(self._back * 1e6),
        )
        return str(found)

    def _whole(self, text: str) -> str:
        if text in _NO_END:
            raise BadInput(
                f"The cursor column {self.look.column} holds {text}, behind which nothing can be found",
                hint="Repair these rows, or follow another column.",
            )
        return text
