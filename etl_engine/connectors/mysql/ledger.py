"""The ledger: in the target's own database, written in the transaction that writes the rows. It is the truth."""

import hashlib
import time
from collections.abc import Sequence
from uuid import uuid4

import pymysql

from etl_engine.connectors.catalogue.mysql import back_quoted
from etl_engine.connectors.ledger_rows import entry as entry_of
from etl_engine.connectors.ledger_rows import moment_text, written
from etl_engine.connectors.mysql.refusals import translated
from etl_engine.connectors.mysql.session import Session
from etl_engine.connectors.rows import Claim, Entry, Reject
from etl_engine.errors import Conflict, Stale, Throttled
from etl_engine.model.table import TableName

LEDGER, STREAMS, SEEN, REJECTS = "_etl_ledger", "_etl_streams", "_etl_seen", "_etl_rejects"
_PATIENCE_SECONDS = 10.0  # the session of a process that was killed a moment ago is still being cleared away
_POLL_SECONDS = 0.1
_NO_SUCH_THREAD, _NOT_THE_OWNER = 1094, 1095
_SHAPE = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
_NOW = "timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)"
_TABLES = {
    LEDGER: f"""
    CREATE TABLE IF NOT EXISTS {{0}} (
        stream varchar(64) NOT NULL, batch_id varchar(64) NOT NULL, run_id varchar(64) NOT NULL, seq bigint NOT NULL,
        cursor_in longtext, cursor_out longtext, moment longtext, `rows` bigint NOT NULL, bytes bigint NOT NULL,
        checksum varchar(128) NOT NULL, epoch bigint NOT NULL, committed_at {_NOW},
        rejected bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (stream, batch_id)) {_SHAPE}""",
    STREAMS: f"""
    CREATE TABLE IF NOT EXISTS {{0}} (
        stream varchar(64) PRIMARY KEY, epoch bigint NOT NULL, run_id varchar(64) NOT NULL, running boolean NOT NULL,
        terms longtext NOT NULL, plan longtext NOT NULL, intent longtext NOT NULL, claimed_at {_NOW}) {_SHAPE}""",
    SEEN: f"""
    CREATE TABLE IF NOT EXISTS {{0}} (
        stream varchar(64) NOT NULL, key_hash char(32) NOT NULL, `key` longtext NOT NULL, version longtext,
        `cursor` longtext, seen_at {_NOW}, KEY (stream, key_hash)) {_SHAPE}""",
    REJECTS: f"""
    CREATE TABLE IF NOT EXISTS {{0}} (
        stream varchar(64) NOT NULL, batch_id varchar(64) NOT NULL, run_id varchar(64) NOT NULL, `row` bigint NOT NULL,
        `column` longtext NOT NULL, value longtext NOT NULL, reason longtext NOT NULL, content longtext NOT NULL,
        rejected_at {_NOW}, KEY (stream, batch_id)) {_SHAPE}""",
}
_ENTRIES = """
SELECT stream, batch_id, run_id, seq, `rows`, bytes, checksum, epoch, cursor_in, cursor_out, moment,
       CAST(committed_at AS CHAR), rejected
FROM {0} WHERE stream = %s
"""


class Ledger:
    """The three tables in one database."""

    def __init__(self, session: Session, schema: str) -> None:
        self._session = session
        self._schema = schema

    def table(self, name: str) -> str:
        """For statements that the driver fills values into: there a percent sign means one of them."""
        return self._plain(name).replace("%", "%%")

    def _plain(self, name: str) -> str:
        return f"{back_quoted(self._schema)}.{back_quoted(name)}"

    def there(self) -> bool:
        (found,) = self._session.one(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s AND table_name IN (%s, %s, %s, %s)",
            (self._schema, *_TABLES),
        )
        return bool(found == len(_TABLES))

    def make(self) -> None:
        if not self.there():
            self._session.run(
                *(made.format(self._plain(name)) for name, made in _TABLES.items()), doing="making the ledger"
            )

    def claim(self, name: TableName, stream: str, terms: str, *, fresh: bool, take_over: bool, mine: int = 0) -> Claim:
        self.make()
        self._be_alone(name, stream, take_over=take_over or (mine > 0 and self._epoch(stream) == mine))
        session, streams = self._session, self.table(STREAMS)
        try:
            session.change(
                f"INSERT IGNORE INTO {streams} (stream, epoch, run_id, running, terms, plan, intent) "  # noqa: S608
                "VALUES (%s, %s, '', FALSE, '', '', '')",
                (stream, self._last_epoch(stream)),
            )
            session.run("START TRANSACTION")
            epoch, run_id, running, was, plan = session.one(
                f"SELECT epoch, run_id, running, terms, plan FROM {streams} WHERE stream = %s FOR UPDATE",  # noqa: S608
                (stream,),
            )
            resumed = bool(running) and was == terms and not fresh
            if running and was != terms and not fresh:
                self._insist_on_nothing_half_done(name, stream, run_id)
            run_id, plan = (run_id, plan) if resumed else (uuid4().hex, "")
            session.change(
                f"UPDATE {streams} SET epoch = %s, run_id = %s, running = TRUE, terms = %s, plan = %s, "  # noqa: S608
                "claimed_at = CURRENT_TIMESTAMP(6) WHERE stream = %s",
                (epoch + 1, run_id, terms, plan, stream),
            )
            if fresh:
                forget = f"UPDATE {self.table(LEDGER)} SET moment = NULL WHERE stream = %s"  # noqa: S608
                session.change(forget, (stream,))
                session.change(f"DELETE FROM {self.table(SEEN)} WHERE stream = %s", (stream,))  # noqa: S608
            session.run("COMMIT")
        except Throttled as error:
            raise Conflict(
                f"The stream into {name} is held by a transaction that does not end",
                hint="Look for it in information_schema.innodb_trx.",
            ) from error
        finally:
            session.rollback()
        return Claim(stream, epoch + 1, run_id, resumed, terms, plan)

    def keep_plan(self, claim: Claim, plan: str) -> None:
        self._session.change(
            f"UPDATE {self.table(STREAMS)} SET plan = %s WHERE stream = %s AND epoch = %s",  # noqa: S608
            (plan, claim.stream, claim.epoch),
        )

    def finished(self, claim: Claim) -> None:
        self._session.change(
            f"UPDATE {self.table(STREAMS)} SET running = FALSE WHERE stream = %s AND epoch = %s",  # noqa: S608
            (claim.stream, claim.epoch),
        )

    def entries(self, stream: str, run_id: str = "") -> list[Entry]:
        if not self.there():
            return []
        query, values = _ENTRIES.format(self.table(LEDGER)), [stream]
        if run_id:
            query, values = f"{query} AND run_id = %s ORDER BY seq", [stream, run_id]
        else:
            query += " AND moment IS NOT NULL ORDER BY epoch DESC, seq DESC, committed_at DESC LIMIT 1"
        return [entry_of(row) for row in self._session.rows(query, values)]

    def intend(self, claim: Claim, intent: str) -> None:
        """Before something is done that no transaction takes back. Stale where another run holds a higher epoch."""
        if not self.holds(claim):
            raise _stale()
        self._session.change(
            f"UPDATE {self.table(STREAMS)} SET intent = %s WHERE stream = %s AND epoch = %s",  # noqa: S608
            (intent, claim.stream, claim.epoch),
        )

    def holds(self, claim: Claim) -> bool:
        """Whether nobody has taken the stream over."""
        return self._epoch(claim.stream) == claim.epoch

    def record(self, claim: Claim, entry: Entry, intent: str | None) -> None:
        """Inside the transaction of the rows. From here to its end nobody can claim the stream."""
        session = self._session
        (epoch,) = session.one(
            f"SELECT epoch FROM {self.table(STREAMS)} WHERE stream = %s FOR UPDATE",  # noqa: S608
            (claim.stream,),
        )
        if epoch != claim.epoch:
            raise _stale()
        if intent is not None:
            session.change(
                f"UPDATE {self.table(STREAMS)} SET intent = %s WHERE stream = %s",  # noqa: S608
                (intent, claim.stream),
            )
        session.change(
            f"INSERT INTO {self.table(LEDGER)} (stream, batch_id, run_id, seq, cursor_in, cursor_out, moment, `rows`, "  # noqa: S608
            "bytes, checksum, epoch, rejected) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                entry.stream,
                entry.batch_id,
                entry.run_id,
                entry.seq,
                written(entry.cursor_in),
                written(entry.cursor_out),
                None if entry.moment is None else moment_text(entry.moment),
                entry.rows,
                entry.bytes,
                entry.checksum,
                entry.epoch,
                entry.rejected,
            ),
        )

    def keep_apart(self, claim: Claim, batch_id: str, rejects: Sequence[Reject]) -> None:
        """Inside the transaction of the rows."""
        table = self.table(REJECTS)
        with self._session.cursor("keeping rejected rows apart") as cursor:
            cursor.execute(f"DELETE FROM {table} WHERE stream = %s AND batch_id = %s", (claim.stream, batch_id))  # noqa: S608
            cursor.executemany(
                f"INSERT INTO {table} (stream, batch_id, run_id, `row`, `column`, value, reason, content) "  # noqa: S608
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (claim.stream, batch_id, claim.run_id, one.row, one.column, one.value, one.reason, one.content)
                    for one in rejects
                ],
            )

    def intent(self, stream: str) -> str:
        found = self._session.rows(
            f"SELECT intent FROM {self.table(STREAMS)} WHERE stream = %s",  # noqa: S608
            (stream,),
        )
        return str(found[0][0]) if found else ""

    def fulfilled(self, stream: str, intent: str) -> None:
        self._session.change(
            f"UPDATE {self.table(STREAMS)} SET intent = '' WHERE stream = %s AND intent = %s",  # noqa: S608
            (stream, intent),
        )

    def take_back(self, stream: str, batch_id: str, intent: str) -> bool:
        """What was committed did not become the target: it is forgotten, unless somebody has fulfilled it by now."""
        session = self._session
        session.run("START TRANSACTION")
        try:
            given_up = session.change(
                f"UPDATE {self.table(STREAMS)} SET intent = '' WHERE stream = %s AND intent = %s",  # noqa: S608
                (stream, intent),
            )
            if given_up:
                session.change(
                    f"DELETE FROM {self.table(LEDGER)} WHERE stream = %s AND batch_id = %s",  # noqa: S608
                    (stream, batch_id),
                )
            session.run("COMMIT")
        finally:
            session.rollback()
        return bool(given_up)

    def _last_epoch(self, stream: str) -> int:
        """Epochs tell what came last, whatever the clock says: they go on also where the streams were lost."""
        query = f"SELECT COALESCE(MAX(epoch), 0) FROM {self.table(LEDGER)} WHERE stream = %s"  # noqa: S608
        return int(self._session.one(query, (stream,))[0])

    def _epoch(self, stream: str) -> int:
        found = self._session.rows(f"SELECT epoch FROM {self.table(STREAMS)} WHERE stream = %s", (stream,))  # noqa: S608
        return int(found[0][0]) if found else 0

    def _be_alone(self, name: TableName, stream: str, *, take_over: bool) -> None:
        """Hold the stream for as long as this session lives. Who is displaced is refused at its next commit anyway."""
        until = time.monotonic() + _PATIENCE_SECONDS
        # Locks belong to the server, and their names have 64 characters.
        lock = "etl-" + hashlib.sha256(f"{self._schema}\0{stream}".encode()).hexdigest()[:48]
        while self._session.one("SELECT GET_LOCK(%s, 0)", (lock,))[0] != 1:
            (holder,) = self._session.one("SELECT IS_USED_LOCK(%s)", (lock,))
            if take_over and holder:
                self._displace(int(holder))
            if time.monotonic() > until:
                if take_over:
                    return
                raise Conflict(
                    f"Another run of this copy into {name} is at work" + (f" (session {holder})" if holder else ""),
                    hint="Wait for its end, or put this one in its place with --take-over.",
                )
            time.sleep(_POLL_SECONDS)

    def _displace(self, thread: int) -> None:
        try:
            with self._session.connection.cursor() as cursor:
                cursor.execute(f"KILL {thread}")
        except pymysql.Error as error:
            if error.args[0] not in (_NO_SUCH_THREAD, _NOT_THE_OWNER):
                raise translated(error, self._session, "displacing the other run") from error

    def _insist_on_nothing_half_done(self, name: TableName, stream: str, run_id: str) -> None:
        done = self.entries(stream, run_id)
        if done:
            raise Conflict(
                f"An earlier run into {name} was broken off after {sum(entry.rows for entry in done)} rows, and it was "
                "ordered differently",
                hint="Finish it by ordering it again as it was, or forget it with --restart.",
            )


def _stale() -> Stale:
    return Stale("Another run has taken this copy over; what this one read is not written", hint="Let it run.")
