"""Cursor runs: which rows to read again, because they may have been committed late.

One program writes to a SQLite file at a time, so numbers that are given at the insert become visible in their order. A
time is taken by the program when it likes, and its row may be committed after rows with later times: so times are read
again from a while behind the cursor.
"""

import datetime as dt
from typing import Any

from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.rows import Look, Mark, Moment, Window
from etl_engine.connectors.sqlite.session import Session
from etl_engine.errors import BadInput, Conflict
from etl_engine.model.table import Column, Family, Table

BACK_SECONDS = 300.0
_USEFUL = {Family.TIMESTAMP, Family.DATE, Family.INTEGER, Family.DECIMAL, Family.TEXT, Family.UUID}
_TIMES = {Family.TIMESTAMP, Family.DATE}
_CLASSES = {
    Family.INTEGER: {"integer"},
    Family.DECIMAL: {"integer", "real"},
}
_DAY = "[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]"
_CLOCK = "[0-2][0-9]:[0-5][0-9]:[0-5][0-9]"
_SECONDS_LENGTH = len("2024-02-29 23:59:59")
# A clock without a zone may be that of any zone: fourteen hours before UTC is the latest reading.
_LATEST_ZONE = dt.timedelta(hours=14)


def cursor_column(table: Table, look: Look) -> Column:
    """The column, if a cursor can be made of it."""
    column = table.column(look.column)
    if column is None:
        raise BadInput(
            f"There is no column {look.column!r} to follow", hint=f"The columns are: {', '.join(table.names)[:300]}"
        )
    if column.type.family not in _USEFUL:
        raise BadInput(
            f"The column {look.column!r} is of type {column.native or 'none'}, which has no useful order",
            hint="Follow a column of time, date or number that only grows.",
        )
    return column


class Follower:
    """One look of a cursor, inside the snapshot it reads from."""

    def __init__(self, session: Session, look: Look, table: Table, relation: str) -> None:
        self.look = look
        self.column = cursor_column(table, look)
        self._session = session
        self._relation = relation
        self._name = double_quoted(look.column)
        self._floor: Any = None
        self._again_from: Any = None

    def begin(self) -> Window:
        since, name = self.look.since, self._name
        if since and since.reached and since.reached.native != self.column.native:
            raise Conflict(
                f"The cursor column {self.look.column} was {since.reached.native} at the last run and is "
                f"{self.column.native} now",
                hint="Begin anew with --restart.",
            )
        if self.look.nulls == "raise" and self._any(f"{name} IS NULL"):
            raise BadInput(
                f"The cursor column {self.look.column} is NULL in some rows",
                hint="Say what to do with them: --null-cursor include (read them every time) or exclude.",
            )
        self._insist_on_one_order()
        old = self._value(since.reached.text) if since and since.reached else None
        if old is not None and since is not None:
            self._floor = self._value(since.source["again"]) if "again" in since.source else self._behind(old)
            if self.look.back_seconds is not None:  # never further back than what the last run remembered
                self._floor = max(self._floor, self._behind(old))
        reached = self._reached(old)
        self._again_from = None if reached is None else self._behind(reached)
        state = {} if self._again_from is None else {"again": str(self._again_from)}
        mark = None if reached is None else Mark(str(reached), self.column.native)
        floor = None if self._floor is None else Mark(str(self._floor), self.column.native)
        return Window(Moment(self.look.column, mark, state), floor, self._covered(old))

    def conditions(self) -> tuple[list[str], list[Any]]:
        """What a row must fulfil to be read."""
        if self._floor is not None:
            condition, values = f"{self._name} >= ?", [self._floor]
        elif self.look.nulls == "exclude":
            condition, values = f"{self._name} IS NOT NULL", []
        else:
            return [], []
        if self.look.nulls == "include":
            condition = f"({condition} OR {self._name} IS NULL)"
        return [condition], values

    def version(self) -> tuple[list[str], list[Any]]:
        """There is no version of a row, so its cursor stands for it; and whether a later run may read it again."""
        text = f"CAST({self._name} AS TEXT)"
        if self._again_from is None:
            return ["NULL", text, "'true'"], []
        again = f"CASE WHEN {self._name} < ? THEN 'false' ELSE 'true' END"
        return ["NULL", text, again], [self._again_from]

    def _covered(self, old: Any) -> str:
        if old is None:
            return "The first run reads every row."
        if self.column.type.family in _TIMES:
            back = BACK_SECONDS if self.look.back_seconds is None else self.look.back_seconds
            return f"Late commits are found up to {back:g} s behind the cursor."
        return "A SQLite file has one writer at a time: a number that is given at the insert skips no row."

    def _any(self, condition: str, *values: Any) -> bool:
        found = self._session.rows(f"SELECT 1 FROM {self._relation} WHERE {condition} LIMIT 1", values)  # noqa: S608
        return bool(found)

    def _insist_on_one_order(self) -> None:
        """SQLite compares texts as texts, and puts every text behind every number: then a maximum means nothing."""
        family = self.column.type.family
        lowest, highest = self._session.one(
            f"SELECT typeof(min({self._name})), typeof(max({self._name})) FROM {self._relation}"  # noqa: S608
        )
        if not {lowest, highest} <= {"null", *_CLASSES.get(family, {"text"})}:
            raise BadInput(
                f"The cursor column {self.look.column} has values that are no {family.value}",
                hint="Repair them, or follow another column.",
            )
        if family in _TIMES and highest != "null":
            self._insist_on_one_spelling()

    def _insist_on_one_spelling(self) -> None:
        (most,) = self._session.one(f"SELECT max({self._name}) FROM {self._relation}")  # noqa: S608
        if self.column.type.family is Family.DATE:
            wrong = f"{self._name} NOT GLOB ?", [_DAY]
        else:
            between, zone = str(most)[10:11], _zone_of(str(most))
            tail = f"substr({self._name}, {_SECONDS_LENGTH + 1})"
            head = f"{_DAY}{between}{_CLOCK}*"
            wrong = (
                f"{self._name} NOT GLOB ? OR substr({self._name}, -{len(zone) or 1}, {len(zone)}) <> ? OR "
                f"substr({tail}, 1, length({tail}) - {len(zone)}) GLOB '*[^.0-9]*'",
                [head, zone],
            )
        if self._any(f"{self._name} IS NOT NULL AND ({wrong[0]})", *wrong[1]):
            raise BadInput(
                f"The times in the cursor column {self.look.column} are written in several ways, and SQLite compares "
                "them as texts",
                hint="Write them all as 2024-02-29 23:59:59, or follow another column.",
            )

    def _reached(self, old: Any) -> Any:
        """The largest value there is, but never one of the future: that would leave behind all that comes before."""
        where = f" WHERE {self._name} >= ?" if self._floor is not None else ""
        values = [] if self._floor is None else [self._floor]
        (most,) = self._session.one(f"SELECT max({self._name}) FROM {self._relation}{where}", values)  # noqa: S608
        known = [one for one in (most, old) if one is not None]
        if not known:
            return None
        reached = max(known)
        return min(reached, self._latest(reached)) if self.column.type.family in _TIMES else reached

    def _latest(self, like: str) -> str:
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        if self.column.type.family is Family.DATE:
            return (now + _LATEST_ZONE).date().isoformat()
        zoned = self.column.type.zoned
        return _spelt(now if zoned else now + _LATEST_ZONE, like)

    def _behind(self, reached: Any) -> Any:
        """Where a later run begins."""
        if self.column.type.family not in _TIMES:
            return reached
        back = BACK_SECONDS if self.look.back_seconds is None else self.look.back_seconds
        # Within one second ...Z would stand behind ...5Z.
        span = dt.timedelta(seconds=max(back, 1.0 if _zone_of(reached) else 0.0))
        try:
            if self.column.type.family is Family.DATE:
                return (dt.datetime.fromisoformat(reached) - span).date().isoformat()
            if not back and not _zone_of(reached):
                return reached
            return _spelt(dt.datetime.fromisoformat(reached[:_SECONDS_LENGTH]) - span, reached)
        except (ValueError, OverflowError):
            raise BadInput(
                f"The cursor column {self.look.column} holds {reached!r}, behind which nothing can be found",
                hint="Repair these rows, or follow another column.",
            ) from None

    def _value(self, text: str) -> Any:
        """A stored mark, as SQLite compares it."""
        family = self.column.type.family
        if family is Family.INTEGER:
            return int(text)
        if family is Family.DECIMAL:
            return float(text) if any(letter in text for letter in ".en") else int(text)
        return text


def _zone_of(text: str) -> str:
    """What stands behind the digits of a second: Z, +00:00, or nothing."""
    return (
        text[_SECONDS_LENGTH:].lstrip(".0123456789")
        if not text[_SECONDS_LENGTH:].startswith(("+", "-"))
        else text[_SECONDS_LENGTH:]
    )


def _spelt(moment: dt.datetime, like: str) -> str:
    return moment.isoformat(sep=like[10:11] or " ", timespec="seconds") + _zone_of(like)
