"""The ledger: in the target's own schema, written in the transaction that writes the rows. It is the truth."""

import time
from collections.abc import Sequence
from uuid import uuid4

import psycopg2

from etl_engine.connectors.ledger_rows import entry as entry_of
from etl_engine.connectors.ledger_rows import moment_text, written
from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.pg.refusals import translated
from etl_engine.connectors.pg.session import Session
from etl_engine.connectors.rows import Claim, Entry, Reject
from etl_engine.errors import Conflict, Stale, Throttled
from etl_engine.model.table import TableName

LEDGER, STREAMS, SEEN, REJECTS = "_etl_ledger", "_etl_streams", "_etl_seen", "_etl_rejects"
_PATIENCE_SECONDS = 6.0  # the session of a process that was killed a moment ago is still being cleared away
_POLL_SECONDS = 0.1
_TABLES = {
    LEDGER: """
    CREATE TABLE IF NOT EXISTS {0} (
        stream text NOT NULL, batch_id text NOT NULL, run_id text NOT NULL, seq bigint NOT NULL,
        cursor_in text, cursor_out text, moment text, rows bigint NOT NULL, bytes bigint NOT NULL,
        checksum text NOT NULL, epoch bigint NOT NULL, committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        rejected bigint NOT NULL DEFAULT 0, PRIMARY KEY (stream, batch_id));
    ALTER TABLE {0} ADD COLUMN IF NOT EXISTS rejected bigint NOT NULL DEFAULT 0""",
    STREAMS: """
    CREATE TABLE IF NOT EXISTS {0} (
        stream text PRIMARY KEY, epoch bigint NOT NULL, run_id text NOT NULL, running boolean NOT NULL,
        terms text NOT NULL, plan text NOT NULL DEFAULT '',
        claimed_at timestamptz NOT NULL DEFAULT clock_timestamp())""",
    SEEN: """
    CREATE TABLE IF NOT EXISTS {0} (
        stream text NOT NULL, key text NOT NULL, version text, cursor text,
        seen_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX IF NOT EXISTS _etl_seen_key ON {0} (stream, key)""",
    REJECTS: """
    CREATE TABLE IF NOT EXISTS {0} (
        stream text NOT NULL, batch_id text NOT NULL, run_id text NOT NULL, row bigint NOT NULL, "column" text NOT NULL,
        value text NOT NULL, reason text NOT NULL, content text NOT NULL,
        rejected_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX IF NOT EXISTS _etl_rejects_batch ON {0} (stream, batch_id)""",
}
_ENTRIES = """
SELECT stream, batch_id, run_id, seq, rows, bytes, checksum, epoch, cursor_in, cursor_out, moment, committed_at::text,
    rejected
FROM {0} WHERE stream = %s
"""


class Ledger:
    """The three tables in one schema."""

    def __init__(self, session: Session, schema: str) -> None:
        self._session = session
        self._schema = schema

    def table(self, name: str) -> str:
        """For statements that the driver fills values into: there a percent sign means one of them."""
        return self._plain(name).replace("%", "%%")

    def _plain(self, name: str) -> str:
        return f"{double_quoted(self._schema)}.{double_quoted(name)}"

    def there(self) -> bool:
        (found,) = self._session.one(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND c.relname = ANY(%s)",
            (self._schema, list(_TABLES)),
        )
        return bool(found == len(_TABLES))

    def make(self) -> None:
        """Several processes may come first at once."""
        if self.there():
            return
        session = self._session
        session.run("BEGIN")
        try:
            session.one("SELECT pg_advisory_xact_lock(hashtextextended('etl-engine ledger', 0))")
            session.run(*(made.format(self._plain(name)) for name, made in _TABLES.items()), doing="making the ledger")
            session.run("COMMIT")
        finally:
            session.rollback()

    def claim(self, name: TableName, stream: str, terms: str, *, fresh: bool, take_over: bool, mine: int = 0) -> Claim:
        self.make()
        self._be_alone(name, stream, take_over=take_over or (mine > 0 and self._epoch(stream) == mine))
        session, streams = self._session, self.table(STREAMS)
        session.run("BEGIN", "SET LOCAL lock_timeout = '30s'")
        try:
            session.rows(
                f"INSERT INTO {streams} (stream, epoch, run_id, running, terms) VALUES (%s, %s, '', false, '') "  # noqa: S608
                "ON CONFLICT DO NOTHING RETURNING 1",
                (stream, self._last_epoch(stream)),
            )
            epoch, run_id, running, was, plan = session.one(
                f"SELECT epoch, run_id, running, terms, plan FROM {streams} WHERE stream = %s FOR UPDATE",  # noqa: S608
                (stream,),
            )
            resumed = bool(running) and was == terms and not fresh
            if running and was != terms and not fresh:
                self._insist_on_nothing_half_done(name, stream, run_id)
            run_id, plan = (run_id, plan) if resumed else (uuid4().hex, "")
            session.rows(
                f"UPDATE {streams} SET epoch = %s, run_id = %s, running = true, terms = %s, plan = %s, "  # noqa: S608
                "claimed_at = clock_timestamp() WHERE stream = %s RETURNING 1",
                (epoch + 1, run_id, terms, plan, stream),
            )
            if fresh:
                forget = f"UPDATE {self.table(LEDGER)} SET moment = NULL WHERE stream = %s RETURNING 1"  # noqa: S608
                session.rows(forget, (stream,))
                session.rows(f"DELETE FROM {self.table(SEEN)} WHERE stream = %s RETURNING 1", (stream,))  # noqa: S608
            session.run("COMMIT")
        except Throttled as error:
            raise Conflict(
                f"The stream into {name} is held by a transaction that does not end", hint="Look for it in pg_locks."
            ) from error
        finally:
            session.rollback()
        return Claim(stream, epoch + 1, run_id, resumed, terms, plan)

    def keep_plan(self, claim: Claim, plan: str) -> None:
        self._session.rows(
            f"UPDATE {self.table(STREAMS)} SET plan = %s WHERE stream = %s AND epoch = %s RETURNING 1",  # noqa: S608
            (plan, claim.stream, claim.epoch),
        )

    def finished(self, claim: Claim) -> None:
        self._session.rows(
            f"UPDATE {self.table(STREAMS)} SET running = false WHERE stream = %s AND epoch = %s RETURNING 1",  # noqa: S608
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

    def record(self, claim: Claim, entry: Entry) -> None:
        """Inside the transaction of the rows. From here to its end nobody can claim the stream."""
        session = self._session
        (epoch,) = session.one(
            f"SELECT epoch FROM {self.table(STREAMS)} WHERE stream = %s FOR UPDATE",  # noqa: S608
            (claim.stream,),
        )
        if epoch != claim.epoch:
            raise Stale("Another run has taken this copy over; what this one read is not written", hint="Let it run.")
        session.rows(
            f"INSERT INTO {self.table(LEDGER)} (stream, batch_id, run_id, seq, cursor_in, cursor_out, moment, rows, "  # noqa: S608
            "bytes, checksum, epoch, rejected) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING 1",
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
                f'INSERT INTO {table} (stream, batch_id, run_id, row, "column", value, reason, content) '  # noqa: S608
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                [(claim.stream, batch_id, claim.run_id, one.row, *map(_storable, _texts(one))) for one in rejects],
            )

    def _last_epoch(self, stream: str) -> int:
        """Epochs tell what came last, whatever the clock says: they go on also where the streams were lost."""
        query = f"SELECT coalesce(max(epoch), 0) FROM {self.table(LEDGER)} WHERE stream = %s"  # noqa: S608
        return int(self._session.one(query, (stream,))[0])

    def _epoch(self, stream: str) -> int:
        found = self._session.rows(f"SELECT epoch FROM {self.table(STREAMS)} WHERE stream = %s", (stream,))  # noqa: S608
        return int(found[0][0]) if found else 0

    def _be_alone(self, name: TableName, stream: str, *, take_over: bool) -> None:
        """Hold the stream for as long as this session lives. Who is displaced is refused at its next commit anyway."""
        until = time.monotonic() + _PATIENCE_SECONDS
        lock = "hashtextextended(%s, 7)"
        while not self._session.one(f"SELECT pg_try_advisory_lock({lock})", (stream,))[0]:
            holder = self._session.rows(
                "SELECT a.pid, a.backend_start::text FROM pg_locks l JOIN pg_stat_activity a USING (pid) "  # noqa: S608
                f"WHERE l.locktype = 'advisory' AND l.granted AND l.database = a.datid "
                f"AND (l.classid::bigint << 32) | l.objid::bigint = {lock}",
                (stream,),
            )
            if take_over and holder:
                self._displace(holder[0][0])
            if time.monotonic() > until:
                if take_over:
                    return
                since = f" since {holder[0][1]}" if holder else ""
                raise Conflict(
                    f"Another run of this copy into {name} is at work{since}",
                    hint="Wait for its end, or put this one in its place with --take-over.",
                )
            time.sleep(_POLL_SECONDS)

    def _displace(self, pid: int) -> None:
        try:
            with self._session.connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
        except psycopg2.Error as error:
            if error.pgcode != "42501":
                raise translated(error, self._session, "displacing the other run") from error

    def _insist_on_nothing_half_done(self, name: TableName, stream: str, run_id: str) -> None:
        done = self.entries(stream, run_id)
        if done:
            raise Conflict(
                f"An earlier run into {name} was broken off after {sum(entry.rows for entry in done)} rows, and it was "
                "ordered differently",
                hint="Finish it by ordering it again as it was, or forget it with --restart.",
            )


def _texts(one: Reject) -> tuple[str, str, str, str]:
    return one.column, one.value, one.reason, one.content


def _storable(text: str) -> str:
    return text.replace("\0", "\N{SYMBOL FOR NULL}")
