"""The ledger: in the file itself, written in the transaction that writes the rows. It is the truth."""

import time
from collections.abc import Sequence
from uuid import uuid4

from etl_engine.connectors import ledger_rows
from etl_engine.connectors.rows import Claim, Entry, Reject
from etl_engine.connectors.sqlite.alone import Alone
from etl_engine.connectors.sqlite.refusals import KIND
from etl_engine.connectors.sqlite.session import Session
from etl_engine.errors import Conflict, Refused, Stale

LEDGER, STREAMS, SEEN = "main._etl_ledger", "main._etl_streams", "main._etl_seen"
REJECTS = "main._etl_rejects"
PATIENCE_SECONDS = 6.0
_POLL_SECONDS = 0.1
_NOW = "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')"
_TABLES = (
    f"""
    CREATE TABLE IF NOT EXISTS {LEDGER} (
        stream TEXT NOT NULL, batch_id TEXT NOT NULL, run_id TEXT NOT NULL, seq INTEGER NOT NULL,
        cursor_in TEXT, cursor_out TEXT, moment TEXT, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
        checksum TEXT NOT NULL, epoch INTEGER NOT NULL, committed_at TEXT NOT NULL DEFAULT ({_NOW}),
        rejected INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (stream, batch_id))""",
    f"""
    CREATE TABLE IF NOT EXISTS {STREAMS} (
        stream TEXT NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL, run_id TEXT NOT NULL, running INTEGER NOT NULL,
        terms TEXT NOT NULL, plan TEXT NOT NULL DEFAULT '', claimed_at TEXT NOT NULL DEFAULT ({_NOW}))""",
    f"""
    CREATE TABLE IF NOT EXISTS {SEEN} (
        stream TEXT NOT NULL, key TEXT NOT NULL, version TEXT, cursor TEXT, seen_at TEXT NOT NULL DEFAULT ({_NOW}))""",
    "CREATE INDEX IF NOT EXISTS main._etl_seen_key ON _etl_seen (stream, key)",
    f"""
    CREATE TABLE IF NOT EXISTS {REJECTS} (
        stream TEXT NOT NULL, batch_id TEXT NOT NULL, run_id TEXT NOT NULL, row INTEGER NOT NULL,
        "column" TEXT NOT NULL, value TEXT NOT NULL, reason TEXT NOT NULL, content TEXT NOT NULL,
        rejected_at TEXT NOT NULL DEFAULT ({_NOW}))""",
    "CREATE INDEX IF NOT EXISTS main._etl_rejects_batch ON _etl_rejects (stream, batch_id)",
)
_NAMES = ("_etl_ledger", "_etl_streams", "_etl_seen")
_ENTRIES = f"""
SELECT stream, batch_id, run_id, seq, rows, bytes, checksum, epoch, cursor_in, cursor_out, moment, committed_at,
    rejected
FROM {LEDGER} WHERE stream = ?
"""  # noqa: S608 - made of constants


class Ledger:
    """The three tables of one file."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._alone: dict[str, Alone] = {}

    def there(self) -> bool:
        (found,) = self._session.one(
            "SELECT count(*) FROM main.sqlite_master WHERE type = 'table' AND name IN (?, ?, ?)", _NAMES
        )
        return bool(found == len(_NAMES))

    def claim(self, target: str, stream: str, terms: str, *, fresh: bool, take_over: bool, mine: int = 0) -> Claim:
        session = self._session
        self._be_alone(target, stream, take_over=take_over or (mine > 0 and self._epoch(stream) == mine))
        session.run("BEGIN IMMEDIATE", doing="claiming the copy")
        try:
            session.run(*_TABLES, doing="making the ledger")
            # Epochs tell what came last, whatever the clock says: they go on also where the streams were lost.
            session.run_with(
                f"INSERT INTO {STREAMS} (stream, epoch, run_id, running, terms) "  # noqa: S608
                f"SELECT ?, coalesce(max(epoch), 0), '', 0, '' FROM {LEDGER} WHERE stream = ? ON CONFLICT DO NOTHING",
                stream,
                stream,
            )
            epoch, run_id, running, was, plan = session.one(
                f"SELECT epoch, run_id, running, terms, plan FROM {STREAMS} WHERE stream = ?",  # noqa: S608
                (stream,),
            )
            resumed = bool(running) and was == terms and not fresh
            if running and was != terms and not fresh:
                self._insist_on_nothing_half_done(target, stream, run_id)
            run_id, plan = (run_id, plan) if resumed else (uuid4().hex, "")
            session.run_with(
                f"UPDATE {STREAMS} SET epoch = ?, run_id = ?, running = 1, terms = ?, plan = ?, "  # noqa: S608
                f"claimed_at = {_NOW} WHERE stream = ?",
                epoch + 1,
                run_id,
                terms,
                plan,
                stream,
            )
            if fresh:
                session.run_with(f"UPDATE {LEDGER} SET moment = NULL WHERE stream = ?", stream)  # noqa: S608
                session.run_with(f"DELETE FROM {SEEN} WHERE stream = ?", stream)  # noqa: S608
            session.run("COMMIT", doing="claiming the copy")
        finally:
            session.rollback()
        return Claim(stream, epoch + 1, run_id, resumed, terms, plan)

    def keep_plan(self, claim: Claim, plan: str) -> None:
        self._session.run_with(
            f"UPDATE {STREAMS} SET plan = ? WHERE stream = ? AND epoch = ?",  # noqa: S608
            plan,
            claim.stream,
            claim.epoch,
        )

    def finished(self, claim: Claim) -> None:
        self._session.run_with(
            f"UPDATE {STREAMS} SET running = 0 WHERE stream = ? AND epoch = ?",  # noqa: S608
            claim.stream,
            claim.epoch,
        )

    def entries(self, stream: str, run_id: str = "") -> list[Entry]:
        if not self.there():
            return []
        if run_id:
            found = self._session.rows(f"{_ENTRIES} AND run_id = ? ORDER BY seq", (stream, run_id))
        else:
            last = " AND moment IS NOT NULL ORDER BY epoch DESC, seq DESC, committed_at DESC LIMIT 1"
            found = self._session.rows(_ENTRIES + last, (stream,))
        return [ledger_rows.entry(row) for row in found]

    def record(self, claim: Claim, entry: Entry) -> None:
        """Inside the transaction of the rows. From its beginning to its end nobody else writes to the file."""
        if self._epoch(claim.stream) != claim.epoch:
            raise Stale("Another run has taken this copy over; what this one read is not written", hint="Let it run.")
        self._session.run_with(
            f"INSERT INTO {LEDGER} (stream, batch_id, run_id, seq, cursor_in, cursor_out, moment, rows, bytes, "  # noqa: S608
            "checksum, epoch, rejected) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        )

    def keep_apart(self, claim: Claim, batch_id: str, rejects: Sequence[Reject]) -> None:
        """Inside the transaction of the rows."""
        self._session.run_with(f"DELETE FROM {REJECTS} WHERE stream = ? AND batch_id = ?", claim.stream, batch_id)  # noqa: S608
        head = (claim.stream, batch_id, claim.run_id)
        with self._session.errors("keeping rejected rows apart"):
            self._session.connection.executemany(
                f'INSERT INTO {REJECTS} (stream, batch_id, run_id, row, "column", value, reason, content) '  # noqa: S608
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(*head, *ledger_rows.reject(one)) for one in rejects],
            )

    def close(self) -> None:
        for alone in self._alone.values():
            alone.leave()
        self._alone.clear()

    def _epoch(self, stream: str) -> int:
        if not self.there():
            return 0
        found = self._session.rows(f"SELECT epoch FROM {STREAMS} WHERE stream = ?", (stream,))  # noqa: S608
        return int(found[0][0]) if found else 0

    def _be_alone(self, target: str, stream: str, *, take_over: bool) -> None:
        """Hold the stream for as long as this session lives. Who is displaced is refused at its next commit anyway."""
        alone = self._alone.setdefault(stream, Alone(self._session.path, stream))
        until = time.monotonic() + PATIENCE_SECONDS
        try:
            while not alone.take():
                if take_over:
                    return
                if time.monotonic() > until:
                    raise Conflict(
                        f"Another run of this copy into {target} is at work",
                        hint="Wait for its end, or put this one in its place with --take-over.",
                    )
                time.sleep(_POLL_SECONDS)
        except OSError as error:
            folder = self._session.path.parent
            raise Refused(
                f"The folder of {self._session.file} may not be written by the account of this engine",
                kind=KIND,
                native_code=error.strerror or "",
                hint=f"chmod o+w {folder}",
            ) from error

    def _insist_on_nothing_half_done(self, target: str, stream: str, run_id: str) -> None:
        done = self.entries(stream, run_id)
        if done:
            raise Conflict(
                f"An earlier run into {target} was broken off after {sum(entry.rows for entry in done)} rows, and it "
                "was ordered differently",
                hint="Finish it by ordering it again as it was, or forget it with --restart.",
            )
