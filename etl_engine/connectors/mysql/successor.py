"""New tables beside old ones, and the moment in which one takes the other's name.

DDL commits by itself, so a table that is made belongs to no transaction. It is made under a name of the engine's own
and filled; the transaction that commits its rows also writes down that it is to take the target's name, and one RENAME
does that. Whoever claims the stream next finishes what was written down, and drops what nobody wrote of.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from etl_engine.connectors.mysql import catalog
from etl_engine.connectors.mysql.catalog import Found
from etl_engine.connectors.mysql.ledger import Ledger
from etl_engine.connectors.mysql.names import quoted
from etl_engine.connectors.mysql.refusals import KIND
from etl_engine.connectors.mysql.session import LOCK_SECONDS, Session
from etl_engine.connectors.mysql.widening import Widened, take_back
from etl_engine.connectors.rows import Claim
from etl_engine.errors import EtlError, Missing, Rejected, Throttled
from etl_engine.model.table import TableName

NEW, OLD = "_etl_new_", "_etl_old_"
PATIENCE_SECONDS = 120.0
_ONE_TRY_SECONDS = 2  # everybody who comes behind a waiting exclusive lock waits too
_PAUSE_SECONDS = 0.2
_LEFT_BEHIND = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = %s AND (table_name LIKE %s OR table_name LIKE %s)
"""
_REFERENCED = """
SELECT table_schema, table_name, constraint_name FROM information_schema.key_column_usage
WHERE referenced_table_schema = %s AND referenced_table_name = %s
  AND NOT (table_schema = referenced_table_schema AND table_name = referenced_table_name) LIMIT 1
"""
_REASONS = (
    (
        "a foreign key refers to it",
        "SELECT 1 FROM information_schema.key_column_usage "
        "WHERE referenced_table_schema = %s AND referenced_table_name = %s LIMIT 1",
    ),
    (
        "it has a foreign key",
        "SELECT 1 FROM information_schema.table_constraints "
        "WHERE table_schema = %s AND table_name = %s AND constraint_type = 'FOREIGN KEY' LIMIT 1",
    ),
    (
        "it has triggers",
        "SELECT 1 FROM information_schema.triggers WHERE event_object_schema = %s AND event_object_table = %s LIMIT 1",
    ),
    (
        "it keeps the history of its rows",
        "SELECT 1 FROM information_schema.tables "
        "WHERE table_schema = %s AND table_name = %s AND table_type = 'SYSTEM VERSIONED'",
    ),
)


@dataclass(frozen=True)
class Swap:
    """One table that is to take a name, as it is written down."""

    new: TableName
    old: TableName
    target: TableName

    @property
    def text(self) -> str:
        parts = [(one.schema, one.name) for one in (self.new, self.old, self.target)]
        return json.dumps(parts, ensure_ascii=False)

    @classmethod
    def of(cls, text: str) -> "Swap":
        return cls(*(TableName(schema, name) for schema, name in json.loads(text)))


def swap_of(claim: Claim, target: TableName) -> Swap:
    mark = f"{_mark(claim.stream, target)}_{claim.epoch}"
    return Swap(TableName(target.schema, NEW + mark), TableName(target.schema, OLD + mark), target)


def _mark(stream: str, target: TableName) -> str:
    return hashlib.sha256(f"{stream}\0{target.name}".encode()).hexdigest()[:16]


def why_not_swapped(session: Session, name: TableName) -> str:
    """What hangs on the table that a new one could not take over; "" if nothing does."""
    for reason, query in _REASONS:
        if session.rows(query, (name.schema, name.name)):
            return reason
    return ""


def make_like(session: Session, swap: Swap, existing: Found, added: Sequence[str]) -> None:
    """The successor of a table, with all that `LIKE` carries over: columns, indexes, checks, partitions, comments."""
    doing = f"making the successor of {swap.target}"
    session.run(f"CREATE TABLE {quoted(swap.new)} LIKE {existing.sql}", doing=doing)
    (counter,) = session.one(
        "SELECT auto_increment FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
        (swap.target.schema, swap.target.name),
    )
    if counter:
        session.run(f"ALTER TABLE {quoted(swap.new)} AUTO_INCREMENT = {int(counter)}", doing=doing)
    for column in added:
        session.run(f"ALTER TABLE {quoted(swap.new)} ADD COLUMN {column}", doing=doing)


def empty(session: Session, existing: Found) -> None:
    """Where a new table could not take the place: the rows go, in the transaction in which the new ones come."""
    referenced = session.rows(_REFERENCED, (existing.name.schema, existing.name.name))
    if referenced:
        schema, table, constraint = referenced[0]
        raise Rejected(
            f"{TableName(schema, table)} refers to {existing.name} by the foreign key {constraint}: replacing all of "
            "its rows would leave those without their row for a moment, or delete them",
            kind=KIND,
            hint="Use --mode merge with --key, or drop the foreign key for the time of the copy.",
        )
    session.run(f"DELETE FROM {existing.sql}", doing=f"replacing the rows of {existing.name}")  # noqa: S608 - quoted


def take_place(session: Session, swap: Swap) -> None:
    """One RENAME: whoever reads sees the old table or the new one. Done already is done as well."""
    until = time.monotonic() + PATIENCE_SECONDS
    session.run(f"SET SESSION lock_wait_timeout = {_ONE_TRY_SECONDS}")
    try:
        while catalog.look_up(session, swap.new):
            old = catalog.look_up(session, swap.target)
            first = f"{quoted(swap.target)} TO {quoted(swap.old)}, " if old else ""
            try:
                session.run(
                    f"RENAME TABLE {first}{quoted(swap.new)} TO {quoted(swap.target)}",
                    doing=f"putting the new {swap.target} in its place",
                )
            except Missing:
                continue  # somebody else did it in this moment
            except Throttled:
                if time.monotonic() > until:
                    raise
                time.sleep(_PAUSE_SECONDS)
    finally:
        session.run(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}")


def drop(session: Session, *names: TableName) -> None:
    for name in names:
        session.run(f"DROP TABLE IF EXISTS {quoted(name)}", doing="dropping what is no longer needed")


def repair(session: Session, ledger: Ledger, stream: str, target: TableName) -> None:
    """After a claim: what an earlier run had committed becomes the target, and what it had not is dropped."""
    intent = ledger.intent(stream)
    if intent:
        meant = _read(intent)
        if isinstance(meant, Swap):
            take_place(session, meant)
        else:
            take_back(session, meant)
        ledger.fulfilled(stream, intent)
    mark = _mark(stream, target)
    left = session.rows(_LEFT_BEHIND, (target.schema, *(f"{one}{mark}_%".replace("_", "\\_") for one in (NEW, OLD))))
    session.run(f"SET SESSION lock_wait_timeout = {_ONE_TRY_SECONDS}")
    try:
        # A run that was displaced and is not dead yet may still hold its table: then the next claim drops it.
        with contextlib.suppress(Throttled):
            drop(session, *(TableName(target.schema, str(name)) for (name,) in left))
    finally:
        session.run(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}")


def _read(intent: str) -> Swap | Widened:
    try:
        return Widened.of(intent) or Swap.of(intent)
    except (ValueError, TypeError, KeyError) as error:
        raise EtlError("The ledger has an intent that was not written by this engine") from error
