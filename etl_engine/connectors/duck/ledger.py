"""The ledger: in the target's own schema, written in the transaction that writes the rows. It is the truth."""

import time
from collections.abc import Sequence
from uuid import uuid4

from etl_engine.connectors import ledger_rows
from etl_engine.connectors.duck.instances import leave_stream, take_stream
from etl_engine.connectors.duck.session import Session
from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.rows import Claim, Entry, Reject
from etl_engine.errors import Conflict, Stale

LEDGER, STREAMS, SEEN, REJECTS = "_etl_ledger", "_etl_streams", "_etl_seen", "_etl_rejects"
PATIENCE_SECONDS = 6.0
_POLL_SECONDS = 0.1
_TABLES = {
    LEDGER: """
    CREATE TABLE IF NOT EXISTS {0} (
        stream VARCHAR NOT NULL, batch_id VARCHAR NOT NULL, run_id VARCHAR NOT NULL, seq BIGINT NOT NULL,
        cursor_in VARCHAR, cursor_out VARCHAR, moment VARCHAR, rows BIGINT NOT NULL, bytes BIGINT NOT NULL,
        checksum VARCHAR NOT NULL, epoch BIGINT NOT NULL, committed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        rejected BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (stream, batch_id))""",
    STREAMS: """
    CREATE TABLE IF NOT EXISTS {0} (
        stream VARCHAR NOT NULL PRIMARY KEY, epoch BIGINT NOT NULL, run_id VARCHAR NOT NULL, running BOOLEAN NOT NULL,
        terms VARCHAR NOT NULL, plan VARCHAR NOT NULL DEFAULT '', claimed_at TIMESTAMPTZ NOT NULL DEFAULT now())""",
    SEEN: """
    CREATE TABLE IF NOT EXISTS {0} (
        stream VARCHAR NOT NULL, key VARCHAR NOT NULL, version VARCHAR, cursor VARCHAR,
        seen_at TIMESTAMPTZ NOT NULL DEFAULT now())""",
    REJECTS: """
    CREATE TABLE IF NOT EXISTS {0} (
        stream VARCHAR NOT NULL, batch_id VARCHAR NOT NULL, run_id VARCHAR NOT NULL, row BIGINT NOT NULL,
        "column" VARCHAR NOT NULL, value VARCHAR NOT NULL, reason VARCHAR NOT NULL, content VARCHAR NOT NULL,
        rejected_at TIMESTAMPTZ NOT NULL DEFAULT now())""",
}
_ENTRIES = """
SELECT stream, batch_id, run_id, seq, rows, bytes, checksum, epoch, cursor_in, cursor_out, moment,
    CAST(committed_at AS VARCHAR), rejected
FROM {0} WHERE stream = ?
"""


class Ledger:
    """The four tables in one schema."""

    def __init__(self, session: Session, schema: str) -> None:
        self._session = session
        self._schema = schema
        self._taken: set[str] = set()

    def table(self, name: str) -> str:
        return f"{double_quoted(self._schema)}.{double_quoted(name)}"

    def there(self) -> bool:
        (found,) = self._session.one(
            "SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ? "
            "AND table_name IN (?, ?, ?, ?)",
            (self._schema, *_TABLES),
        )
        return bool(found == len(_TABLES))

    def claim(self, target: str, stream: str, terms: str, *, fresh: bool, take_over: bool, mine: int = 0) -> Claim:
        session = self._session
        self._be_alone(target, stream, take_over=take_over or (mine > 0 and self._epoch(stream) == mine))
        session.begin()
        try:
            for name, made in _TABLES.items():
                session.run(made.format(self.table(name)), doing="making the ledger")
            streams = self.table(STREAMS)
            stands = f"SELECT epoch, run_id, running, terms, plan FROM {streams} WHERE stream = ?"  # noqa: S608
            found = session.rows(stands, (stream,))
            if not found:  # epochs tell what came last: they go on also where the streams were lost
                last = f"SELECT coalesce(max(epoch), 0) FROM {self.table(LEDGER)} WHERE stream = ?"  # noqa: S608
                began = session.one(last, (stream,))[0]
                session.rows(f"INSERT INTO {streams} VALUES (?, ?, '', false, '', '', now())", (stream, began))  # noqa: S608
                found = session.rows(stands, (stream,))
            epoch, run_id, running, was, plan = found[0]
            resumed = bool(running) and was == terms and not fresh
            if running and was != terms and not fresh:
                self._insist_on_nothing_half_done(target, stream, run_id)
            run_id, plan = (run_id, plan) if resumed else (uuid4().hex, "")
            session.rows(
                f"UPDATE {streams} SET epoch = ?, run_id = ?, running = true, terms = ?, plan = ?, claimed_at = now() "  # noqa: S608
                "WHERE stream = ?",
                (epoch + 1, run_id, terms, plan, stream),
            )
            if fresh:
                session.rows(f"UPDATE {self.table(LEDGER)} SET moment = NULL WHERE stream = ?", (stream,))  # noqa: S608
                session.rows(f"DELETE FROM {self.table(SEEN)} WHERE stream = ?", (stream,))  # noqa: S608
            with session.errors("claiming the copy"):
                session.commit()
        finally:
            session.rollback()
        return Claim(stream, epoch + 1, run_id, resumed, terms, plan)

    def keep_plan(self, claim: Claim, plan: str) -> None:
        self._session.rows(
            f"UPDATE {self.table(STREAMS)} SET plan = ? WHERE stream = ? AND epoch = ?",  # noqa: S608
            (plan, claim.stream, claim.epoch),
        )

    def finished(self, claim: Claim) -> None:
        self._session.rows(
            f"UPDATE {self.table(STREAMS)} SET running = false WHERE stream = ? AND epoch = ?",  # noqa: S608
            (claim.stream, claim.epoch),
        )

    def entries(self, stream: str, run_id: str = "") -> list[Entry]:
        if not self.there():
            return []
        query, values = _ENTRIES.format(self.table(LEDGER)), [stream]
        if run_id:
            query, values = f"{query} AND run_id = ? ORDER BY seq", [stream, run_id]
        else:
            query += " AND moment IS NOT NULL ORDER BY epoch DESC, seq DESC, committed_at DESC LIMIT 1"
        return [ledger_rows.entry(row) for row in self._session.rows(query, values)]

    def record(self, claim: Claim, entry: Entry) -> None:
        """Inside the transaction of the rows. Changing the stream's line makes a claim meanwhile a conflict."""
        changed = self._session.changed(
            f"UPDATE {self.table(STREAMS)} SET claimed_at = claimed_at WHERE stream = ? AND epoch = ?",  # noqa: S608
            claim.stream,
            claim.epoch,
        )
        if not changed:
            raise Stale("Another run has taken this copy over; what this one read is not written", hint="Let it run.")
        self._session.rows(
            f"INSERT INTO {self.table(LEDGER)} (stream, batch_id, run_id, seq, cursor_in, cursor_out, moment, rows, "  # noqa: S608
            "bytes, checksum, epoch, rejected) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.stream,
                entry.batch_id,
                entry.run_id,
                entry.seq,
                ledger_rows.written(entry.cursor_in),
                ledger_rows.written(entry.cursor_out),
                None if entry.moment is None else ledger_rows.moment_text(entry.moment),
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
        self._session.rows(f"DELETE FROM {table} WHERE stream = ? AND batch_id = ?", (claim.stream, batch_id))  # noqa: S608
        for one in rejects:
            self._session.rows(
                f'INSERT INTO {table} (stream, batch_id, run_id, row, "column", value, reason, content) '  # noqa: S608
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (claim.stream, batch_id, claim.run_id, *ledger_rows.reject(one)),
                doing="keeping rejected rows apart",
            )

    def close(self) -> None:
        for stream in self._taken:
            leave_stream(self._session.opened.identity, stream)
        self._taken.clear()

    def _epoch(self, stream: str) -> int:
        if not self.there():
            return 0
        found = self._session.rows(f"SELECT epoch FROM {self.table(STREAMS)} WHERE stream = ?", (stream,))  # noqa: S608
        return int(found[0][0]) if found else 0

    def _be_alone(self, target: str, stream: str, *, take_over: bool) -> None:
        """Other processes are kept out by the file's own lock. Who is displaced is refused at its next commit."""
        until = time.monotonic() + PATIENCE_SECONDS
        while stream not in self._taken:
            if take_stream(self._session.opened.identity, stream):
                self._taken.add(stream)
                return
            if take_over:
                return
            if time.monotonic() > until:
                raise Conflict(
                    f"Another run of this copy into {target} is at work",
                    hint="Wait for its end, or put this one in its place with --take-over.",
                )
            time.sleep(_POLL_SECONDS)

    def _insist_on_nothing_half_done(self, target: str, stream: str, run_id: str) -> None:
        done = self.entries(stream, run_id)
        if done:
            raise Conflict(
                f"An earlier run into {target} was broken off after {sum(entry.rows for entry in done)} rows, and it "
                "was ordered differently",
                hint="Finish it by ordering it again as it was, or forget it with --restart.",
            )
