"""What the data plane asks of a connector: to read rows, to write them, to look around.

A capability hands out sessions; a session is used by one thread, except its `stop`, and closed by its opener.
Whatever the other side does comes out as an error of `etl_engine.errors`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from etl_engine.connectors.exploring import Explorer as Explorer  # noqa: PLC0414 - sessions are known from here
from etl_engine.connectors.exploring import Explores as Explores  # noqa: PLC0414 - and so are capabilities
from etl_engine.connectors.selecting import KeyRange as KeyRange  # noqa: PLC0414 - and what a read is told
from etl_engine.connectors.selecting import Look as Look  # noqa: PLC0414 - the same
from etl_engine.connectors.selecting import Mark as Mark  # noqa: PLC0414 - the same
from etl_engine.connectors.selecting import Moment as Moment  # noqa: PLC0414 - the same
from etl_engine.connectors.selecting import Selection as Selection  # noqa: PLC0414 - the same
from etl_engine.connectors.selecting import Window as Window  # noqa: PLC0414 - the same
from etl_engine.errors import NotCapable, Rejected
from etl_engine.model.table import Column, Table, TableName

if TYPE_CHECKING:
    import pyarrow as pa

ARROW = "arrow"  # the form that every kind speaks: record batches of carriers
TEXT_BLOCKS = "-text-blocks"  # ends forms of blocks of rows, in which only their own server reads what it wrote
WHOLE = ""  # among sums of columns of a Fingerprint: that of the rows themselves


@dataclass(frozen=True)
class Totals:
    """What went through one read."""

    rows: int
    bytes: int
    checksum: str  # of the bytes as they went


@dataclass(frozen=True)
class Reject:
    """A value that its column cannot hold, and the row that was kept back for it."""

    row: int  # of this read, counted from 1
    column: str
    value: str  # as exact text, cut where it is long
    reason: str
    content: str  # the whole row, as a JSON object of exact texts


class Rows(ABC):
    """One read in progress, in one form. Its memory is bounded by bytes, whatever the rows look like.

    A relay form (undecoded bytes of one engine) is taken with `read`; other forms with `batches`. The last
    `read` answers b"" only if the source came to a good end: a source that dies in the middle raises, since the other
    side would take the end of the stream for the end of the table.
    """

    form: str
    numbered = True  # rows come in one order, so that the number of a row means something
    bytes_read: int = 0  # grows while somebody reads; looked at from other threads
    # Where rows go that cannot be given as they are (a text among numbers); None: the first one raises Rejected.
    on_reject: Callable[[Reject], None] | None = None

    def read(self, size: int = -1) -> bytes:
        raise NotImplementedError(f"{self.form} is read in batches")

    def batches(self) -> Iterator["pa.RecordBatch"]:
        """Of the form `arrow` record batches of `carriers.carried(columns)`, about 8 MiB each or one row.

        They are taken in a thread of their own, and never in two at once: not the thread that opened the session.
        """
        raise NotImplementedError(f"{self.form} has no batches")

    @abstractmethod
    def check(self) -> None:
        """Raise what the source has raised so far; does not wait for it."""

    @abstractmethod
    def finish(self) -> Totals:
        """After the last byte: what it was. Raises what the source raised. Called before anything is committed."""

    @abstractmethod
    def close(self) -> None:
        """Stop reading at once, whatever is left; harmless after the end."""


class Source(ABC):
    """A session for reading, pinned so that a value reads the same from every server: UTC, ISO, UTF-8."""

    # Of the database behind it, whatever its address. Begins with its engine's name and a colon, by which two ends of
    # one engine know each other: there a new target gets the source's types.
    identity: str

    @abstractmethod
    def describe(self, selection: Selection) -> Table:
        """The exact schema of what would be read. Missing names the tables that look alike; Refused has the GRANT."""

    @abstractmethod
    def forms(self, table: Table) -> tuple[str, ...]:
        """The forms these columns can be read in, the cheapest first."""

    @abstractmethod
    def begin(self, selection: Selection) -> Window | None:
        """Take the snapshot that everything is read from until `end`. With a cursor: what will be read."""

    @abstractmethod
    def pieces(self, table: Table, rows: int) -> list[KeyRange]:
        """Ranges of about so many rows by the primary key, that tile the table: each row lies in exactly one."""

    @abstractmethod
    def read(self, selection: Selection, table: Table, form: str) -> Rows: ...

    reads_pieces = False  # whether `read` keeps to the piece of a selection, whoever cut it
    compares_pieces = False  # whether `fingerprint` does

    @abstractmethod
    def fingerprint(self, selection: Selection, columns: Sequence[Column], *, each: bool) -> "Fingerprint":
        """What the selection amounts to as values of these types, read in the same snapshot, apart from the copy."""

    def limit_time(self, seconds: float) -> None:  # noqa: B027 - a server without such a limit is stopped from outside
        """Have the server itself end every statement of this session that takes longer."""

    def share(self) -> str:  # a word by which other sessions `join` this one's snapshot; "" where that cannot be done
        return ""

    def join(self, shared: str, selection: Selection) -> None:
        """Instead of `begin`: read from the snapshot of another session, which lasts until that one ends."""
        raise NotCapable("Sessions of this kind cannot share a snapshot")

    @abstractmethod
    def end(self) -> None:
        """Give the snapshot back; before the other side waits for locks."""

    @abstractmethod
    def stop(self) -> None:
        """Break off whatever runs; called from another thread, any number of times."""

    @abstractmethod
    def close(self) -> None: ...


@dataclass(frozen=True)
class Fingerprint:
    """What rows amount to, whatever their order: how many, and the sum of their hashes; with `each`, by column."""

    rows: int
    sums: Mapping[str, int]


ROW = "_etl_row"  # a column of a stage, beside those of the rows: the number of the row as it was read
# Rows that would be refused, by their number: the column, if it is one, and the reason.
Foreseen = Mapping[int, tuple[str, str]]


class UnknownCommit(Exception):
    """The connection broke while the commit was under way. It is done or it is not, and only the ledger knows."""


class Place(StrEnum):
    """Where rows of a unit go."""

    TARGET = "target"
    STAGE = "stage"  # gone when the unit ends
    SUCCESSOR = "successor"  # becomes the target, or takes its place row by row where too much hangs on the old one


@dataclass(frozen=True)
class Entry:
    """A line of the ledger: one batch that is in the target for good."""

    stream: str
    batch_id: str
    run_id: str
    seq: int
    rows: int
    bytes: int
    checksum: str
    epoch: int
    cursor_in: Mark | None = None
    cursor_out: Mark | None = None
    moment: Moment | None = None
    committed_at: str = ""
    rejected: int = 0  # rows that were read and kept apart


@dataclass(frozen=True)
class Claim:
    """The right to write a stream. Whoever claims later has a higher epoch, and then nobody else commits."""

    stream: str
    epoch: int
    run_id: str
    resumed: bool  # the run before did not end: this goes on in its place
    terms: str  # how that run was ordered, and in which pieces; as given to `claim`
    plan: str = ""


class Unit(ABC):
    """One transaction at the destination: everything in it, its ledger line and its cursor, or nothing.

    A strategy calls these in its own order, and `record` then `commit` last. Leaving without a commit rolls back.
    """

    @abstractmethod
    def create(self, place: Place, columns: Sequence[Column], key: Sequence[str] = ()) -> None:
        """Make the place of these columns; a successor of an existing target takes the shape of that instead.

        The key of a successor may be made here or in `succeed`, which is given it again.
        """

    @abstractmethod
    def add_columns(self, columns: Sequence[Column]) -> None: ...

    @abstractmethod
    def load(self, rows: Rows, place: Place, columns: Sequence[str]) -> int:
        """Bulk load; answers how many rows the destination says it took."""

    @abstractmethod
    def append_staged(self, columns: Sequence[str]) -> int: ...

    @abstractmethod
    def drop_seen(self, key: Sequence[str], version: Sequence[str], *, versions_hold: bool) -> int:
        """Take rows out of the stage that an earlier run of this stream has appended already."""

    @abstractmethod
    def remember_seen(self, key: Sequence[str], version: Sequence[str]) -> None:
        """Keep which of the staged rows a later run may read again."""

    @abstractmethod
    def merge_staged(self, columns: Sequence[str], key: Sequence[str], newest: str, *, distinct: bool) -> int:
        """Insert or update by key; of several staged rows with one key the newest by `newest` wins."""

    @abstractmethod
    def succeed(self, key: Sequence[str]) -> None:
        """The successor becomes the target for every reader in the moment of the commit."""

    def attempt(self) -> AbstractContextManager[None]:
        """A part of the unit that may fail on its own: then only what it wrote is undone."""
        raise NotCapable("This target cannot undo a part of a batch", hint="Copy with --on-reject stop.")

    def blames_a_row(self, error: Rejected) -> bool:
        """Whether it may have been a row, and not a disk that is full: then smaller parts are tried."""
        return True

    def settle_staged(self, columns: Sequence[str], key: Sequence[str], newest: str) -> None:
        """Of several staged rows with one key only the newest stays, so that each can be merged on its own.

        For a stage that has the column `ROW`, which numbers its rows and is its key.
        """
        raise NotCapable("This target cannot keep rows of a merge apart", hint="Copy with --on-reject stop.")

    def narrow(self, numbers: tuple[int, int] | None) -> None:
        """From here on `append_staged` and `merge_staged` take only rows of these numbers; None: all of them."""
        raise NotCapable("This target cannot keep rows of a merge apart", hint="Copy with --on-reject stop.")

    foresees = False  # whether `foresee` knows what the target refuses; otherwise it has to be tried

    def foresee(self, rows: Rows | None, place: Place, columns: Sequence[str], key: Sequence[str]) -> Foreseen:
        """The rows that the target would refuse, which are then left out.

        Of one batch on its way into `place`, by their places in it; or, without a batch, of the staged rows, by their
        `ROW`. `key` is that of a merge.
        """
        raise NotCapable("This target does not know beforehand what it refuses")

    def delete_staged(self, key: Sequence[str]) -> int:
        """Delete the rows of the target that have the keys which are staged."""
        raise NotCapable("This target cannot delete rows by their key", hint="Copy it anew with --mode replace.")

    def keep_apart(self, batch_id: str, rejects: Sequence[Reject]) -> None:
        """Write rejected rows beside the ledger, into `_etl_rejects`, in place of any that this batch has there."""
        raise NotCapable("This target has no place for rejected rows", hint="Copy with --on-reject stop.")

    @abstractmethod
    def record(self, entry: Entry) -> None:
        """Write the ledger line. Stale where another run holds a higher epoch."""

    @abstractmethod
    def commit(self) -> None:
        """UnknownCommit where the connection broke and nobody knows; the ledger does."""

    @abstractmethod
    def rollback(self) -> None: ...


class Destination(ABC):
    """A session for writing one stream into one target."""

    identity: str
    takes_plain = False  # whether what is not `special` may come in the carrier of the type without it

    @abstractmethod
    def forms(self, table: Table) -> tuple[str, ...]:
        """The forms that rows of these columns may be loaded from, if the target has exactly these types."""

    @abstractmethod
    def resolve(self, target: str) -> tuple[TableName, Table | None]:
        """The full name of the target, and what stands there. Loud where it is something that cannot be written."""

    @abstractmethod
    def may_write(self, name: TableName, existing: Table | None, mode: str) -> None:
        """Refused, with the GRANT, where this login lacks a right that the mode needs."""

    @abstractmethod
    def natives(self, table: Table, *, same_engine: bool) -> tuple[Column, ...]:
        """The columns of a new target for these of the source.

        Of another engine: each the smallest type that holds every value of the house type, text where there is none.
        What is `special` or `zero` does not count: dates are to become dates, and the plan tells that an infinite one
        stops the copy. The Column's type says what the native one really holds.
        """

    @abstractmethod
    def ddl(self, name: TableName, columns: Sequence[Column], key: Sequence[str]) -> str: ...

    @abstractmethod
    def added(self, name: TableName, column: Column) -> str: ...  # how a column is added, as it is done and shown

    @abstractmethod
    def keyed(self, name: TableName, key: Sequence[str]) -> str: ...  # a hint: how merging can go by this key

    @abstractmethod
    def why_not_swapped(self, name: TableName) -> str:
        """What hangs on the existing target so that replacing must happen inside it; "" if nothing does."""

    @property
    def readers_wait(self) -> bool:  # whether others cannot read a target while its rows are replaced inside it
        return False

    @abstractmethod
    def claim(self, name: TableName, stream: str, terms: str, *, fresh: bool, take_over: bool, mine: int = 0) -> Claim:
        """Become the only writer of the stream. Conflict while another one is at work and not to be displaced.

        `mine` is the epoch of an attempt of the same run whose connection broke: what it left is always displaced.
        """

    @abstractmethod
    def keep_plan(self, claim: Claim, plan: str) -> None:
        """Remember how the run is cut into pieces, so that whoever resumes it cuts in the same places."""

    @abstractmethod
    def entries(self, name: TableName, stream: str, run_id: str = "") -> list[Entry]:
        """Of one run, in order; without a run, the last entry that carries a moment."""

    @abstractmethod
    def finished(self, claim: Claim) -> None:
        """The run is complete: the next one is a new run."""

    @abstractmethod
    def unit(self, claim: Claim, name: TableName) -> Unit: ...

    @abstractmethod
    def fingerprint(self, name: TableName, columns: Sequence[Column], *, each: bool) -> Fingerprint: ...

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


class Reads:
    """A connector whose data can be read."""

    def open_source(self) -> Source:
        """A new session. Unreachable, Refused, Missing where there is none to be had."""
        raise NotImplementedError


class Writes:
    """A connector that data can be written to."""

    def open_destination(self) -> Destination:
        raise NotImplementedError
