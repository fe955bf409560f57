"""Cursor runs that miss nothing: which rows to read again, because they may have been committed late.

`now()` is fixed when a transaction starts, its id is given at its first write, and a row written under a savepoint has
the id of a subtransaction. So a run reads rows whose cursor is not before the oldest transaction that was open at the
run before, and whose transaction id is not before that run's snapshot. Both are conservative; a row seen twice is
recognised by its key.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.pg.catalog import Found
from etl_engine.connectors.pg.session import Session
from etl_engine.connectors.rows import Look, Mark, Moment, Selection, Window
from etl_engine.errors import BadInput, Conflict
from etl_engine.model.table import Column, Family, Table

BACK_SECONDS = 300.0
OLDEST_WITH_XID8 = 130000
_HALF_OF_ALL_XIDS = 2**31
_USEFUL = {Family.TIMESTAMP, Family.DATE, Family.INTEGER, Family.DECIMAL, Family.TEXT, Family.UUID}
_TIMES = {Family.TIMESTAMP, Family.DATE}
# Asked before the snapshot is taken: who begins after this is not older. Of sessions that this role may not see, all
# is NULL but the name of the database, and even the type of the backend.
_OPEN = """
SELECT least(min(xact_start), clock_timestamp())::text,
       count(*) FILTER (WHERE query = '<insufficient privilege>'),
       (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database())
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type IS DISTINCT FROM 'autovacuum worker'
"""
_SNAPSHOT = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text, pg_snapshot_xmax(pg_current_snapshot())::text"
# A clock without a zone may be that of any zone: twelve hours behind UTC is the earliest reading.
_OPEN_SINCE = {True: "{0}::timestamptz", False: "({0}::timestamptz AT TIME ZONE 'UTC') - interval '12 hours'"}
_CLOCK = {True: "clock_timestamp()", False: "(clock_timestamp() AT TIME ZONE 'UTC') + interval '14 hours'"}


@dataclass(frozen=True)
class Open:
    """What was going on just before the snapshot."""

    oldest: str
    hidden: int
    prepared: int


def look_around(session: Session) -> Open:
    oldest, hidden, prepared = session.one(_OPEN)
    return Open(str(oldest), int(hidden), int(prepared))


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

    def __init__(self, session: Session, selection: Selection, table: Table, found: Found | None, before: Open) -> None:
        assert selection.look is not None  # noqa: S101 - the caller asked for a cursor
        self.look = selection.look
        self.column = cursor_column(table, self.look)
        self.floor: Mark | None = None
        self.since_xid = ""
        self.has_xids = found is not None and found.relkind in ("r", "p", "m") and session.version >= OLDEST_WITH_XID8
        self._session = session
        self._found = found
        self._before = before
        self._standby = False
        self._covered = ""
        self._again_from: Mark | None = None
        self._back = BACK_SECONDS if self.look.back_seconds is None else self.look.back_seconds

    def begin(self, relation: str, nulls_possible: bool) -> Window:
        """`relation` is what to select from; the snapshot is already there."""
        state = self._state()
        self._decide(state)
        if nulls_possible and self.look.nulls == "raise":
            self._insist_on_values(relation)
        reached = self._reached(relation)
        since = self.look.since
        if reached:  # what the next run would take as its floor, if nothing but the clock helped it
            timed = self.column.type.family in _TIMES
            open_since = state["open"] if timed and state["open"] != "-infinity" else ""
            self._again_from = self._floor(reached, open_since, self._back)
        holds = since is None or (
            self._xids_hold(since.source, state) and since.source.get("file") == state.get("file")
        )
        return Window(Moment(self.look.column, reached, state), self.floor, self._covered, versions_hold=holds)

    def conditions(self) -> list[str]:
        """What a row must fulfil to be read; literals are quoted already."""
        name, made = double_quoted(self.look.column), []
        if self.floor:
            made.append(f"{name} >= {literal(self._session, self.floor.text)}::{self.floor.native}")
        elif self.look.nulls == "exclude":
            made.append(f"{name} IS NOT NULL")
        if self.since_xid:
            made.append(f"age(xmin) <= age({literal(self._session, self.since_xid)}::xid8::xid)")
        if made and self.look.nulls == "include":
            return [f"({' AND '.join(made)} OR {name} IS NULL)"]
        return made

    def version(self) -> list[str]:
        """By what a row that is read again is recognised beside its key, and whether it may be read again at all."""
        name, again = double_quoted(self.look.column), []
        if self.has_xids:
            again.append("age(xmin) <= age(pg_snapshot_xmin(pg_current_snapshot())::xid)")
        if self._again_from:
            again.append(f"{name} >= {literal(self._session, self._again_from.text)}::{self._again_from.native}")
        seen_again = f"coalesce({' OR '.join(again) or 'false'}, true)::text"
        return ["xmin::text" if self.has_xids else "NULL::text", f"{name}::text", seen_again]

    def _state(self) -> Mapping[str, str]:
        session, found = self._session, self._found
        state = {"system": session.system, "open": self._before.oldest}
        if found is not None:
            state |= {"relation": str(found.oid), "file": found.filenode}
        if self._before.prepared:
            state["open"] = "-infinity"  # nobody knows when a prepared transaction began
        if self._before.hidden:
            state["hidden"] = str(self._before.hidden)
        self._standby = bool(session.one("SELECT pg_is_in_recovery()")[0])
        self.has_xids = self.has_xids and not self._standby
        if self.has_xids:
            state["xmin"], state["xmax"] = session.one(_SNAPSHOT)
        return state

    def _decide(self, now: Mapping[str, str]) -> None:
        since = self.look.since
        if since is None or since.reached is None:
            self._covered = "The first run reads every row."
            return
        self._same_thing(since, now)
        was = since.source
        back = self._back
        timed = self.column.type.family in _TIMES
        if not self._xids_hold(was, now):
            self.floor = self._floor(since.reached, "", back)
            why = f"transaction ids cannot be used {self._why_no_xids(was, now)}"
            self._covered = (
                f"Late commits are found up to {back:g} s behind the cursor; {why}."
                if timed
                else f"Late commits below the cursor are not found: it is no time, and {why}."
            )
            return
        self.since_xid = was["xmin"]
        if not timed or was["open"] == "-infinity":
            self._covered = "Late commits are found by their transaction id, looking at every row."
            return
        if "hidden" in was:
            self.floor = self._floor(since.reached, "", back)
            self._covered = (
                f"Late commits are found up to {back:g} s behind the cursor: this role may not see when others began "
                "(GRANT pg_read_all_stats helps)."
            )
            return
        self.floor = self._floor(since.reached, was["open"], back)
        self._covered = "Late commits are found: of every transaction that was open at the last run."

    def _same_thing(self, since: Moment, now: Mapping[str, str]) -> None:
        was = since.source
        if since.reached and since.reached.native != self.column.native:
            raise Conflict(
                f"The cursor column {self.look.column} was {since.reached.native} at the last run and is "
                f"{self.column.native} now",
                hint="Begin anew with --restart.",
            )
        if was.get("system") == now["system"] and was.get("relation") != now.get("relation"):
            raise Conflict(
                "The source table was dropped and made again since the last run",
                hint="Look whether it is still the same data, and begin anew with --restart.",
            )

    def _xids_hold(self, was: Mapping[str, str], now: Mapping[str, str]) -> bool:
        """Whether transaction ids of the last run still mean something: same server, not restored, not wrapped."""
        if "xmin" not in was or "xmin" not in now or was.get("system") != now["system"]:
            return False
        return 0 <= int(now["xmax"]) - int(was["xmin"]) < _HALF_OF_ALL_XIDS and int(now["xmin"]) >= int(was["xmin"])

    def _why_no_xids(self, was: Mapping[str, str], now: Mapping[str, str]) -> str:
        if self._standby:
            return "on a standby"
        both = "xmin" in was and "xmin" in now
        return "after the source was restored, or became another server" if both else "here"

    def _floor(self, reached: Mark, open_since: str, back: float) -> Mark:
        """Where to begin reading, computed by the server: its arithmetic knows infinity and the calendar."""
        if self.column.type.family not in _TIMES:
            return reached
        zoned, session = self.column.type.zoned, self._session
        earliest = f"{literal(session, reached.text)}::timestamp{'tz' if zoned else ''}"
        if open_since:
            earliest = f"least({earliest}, {_OPEN_SINCE[zoned].format(literal(session, open_since))})"
        floor = f"({earliest} - {float(back)} * interval '1 second')"
        (text,) = session.one(f"SELECT {floor}::{reached.native}::text")
        return Mark(str(text), reached.native)

    def _insist_on_values(self, relation: str) -> None:
        name = double_quoted(self.look.column)
        if self._session.one(f"SELECT EXISTS (SELECT 1 FROM {relation} WHERE {name} IS NULL)")[0]:  # noqa: S608
            raise BadInput(
                f"The cursor column {self.look.column} is NULL in some rows",
                hint="Say what to do with them: --null-cursor include (read them every time) or exclude.",
            )

    def _reached(self, relation: str) -> Mark | None:
        """The largest value there is, but never one of the future: that would leave behind all that comes before."""
        name, native = double_quoted(self.look.column), self.column.native
        most = f"max({name})"
        if self.column.type.family is Family.UUID:  # has no max() before version 18
            most = f"(array_agg({name} ORDER BY {name} DESC))[1]"
        where = f" WHERE {name} >= {literal(self._session, self.floor.text)}::{self.floor.native}" if self.floor else ""
        where = where or f" WHERE {name} IS NOT NULL"
        text = self._session.one(f"SELECT ({most})::text FROM {relation}{where}")[0]  # noqa: S608
        old = self.look.since.reached if self.look.since else None
        candidates = [one for one in (text, old.text if old else None) if one is not None]
        if not candidates:
            return None
        greatest = "greatest(" + ", ".join(f"{literal(self._session, one)}::{native}" for one in candidates) + ")"
        if self.column.type.family in _TIMES:
            greatest = f"least({greatest}, ({_CLOCK[self.column.type.zoned]})::{native})"
        mark = Mark(str(self._session.one(f"SELECT ({greatest})::text")[0]), native)
        if mark.text in ("NaN", "Infinity", "-infinity"):
            raise BadInput(
                f"The cursor column {self.look.column} holds {mark.text}, behind which nothing can be found",
                hint="Repair these rows, or follow another column.",
            )
        return mark


def literal(session: Session, text: str) -> str:
    from psycopg2 import extensions

    made = extensions.adapt(text)
    made.prepare(session.connection)
    return str(made.getquoted().decode())
