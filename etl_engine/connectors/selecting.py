"""What is to be read: which rows of what, how a cursor follows them, and where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mark:
    """A value of a cursor column: its exact text and the native type it was written in."""

    text: str
    native: str


@dataclass(frozen=True)
class Moment:
    """Where a cursor run stands: stored in the ledger by one run and handed to the next one as it is.

    `reached` is the largest value read. The rest is what the source needs in order to find, next time, rows that were
    committed late: its own words, which only the same kind of source reads.
    """

    column: str
    reached: Mark | None
    source: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """How a cursor is to be followed."""

    column: str
    since: Moment | None = None
    back_seconds: float | None = None  # how far behind the cursor to look again; None: what the kind thinks right
    nulls: str = "raise"  # rows without a cursor value: raise, include (every time), exclude


@dataclass(frozen=True)
class KeyRange:
    """A piece of a table: rows with `low <= key < high`. None is open; bounds are exact texts, one per key column."""

    key: tuple[str, ...]
    low: tuple[str, ...] | None = None
    high: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Selection:
    """What to read: a table or one query, its columns, and which rows."""

    table: str = ""
    query: str = ""
    columns: tuple[str, ...] = ()  # empty: all
    look: Look | None = None
    piece: KeyRange | None = None
    # Three extra columns of text at the end, under these names, by which rows are known that are read twice: the
    # version of the row (NULL where there is none), its cursor, and whether a later run may read it again ("true").
    version_columns: tuple[str, ...] = ()
    # Somebody looks: so many rows are enough. A source that cannot say so to its server reads on until it is closed.
    enough: int = 0


@dataclass(frozen=True)
class Window:
    """Which rows a cursor run will read, decided inside the snapshot they are read from."""

    after: Moment  # what the next run is to be given
    floor: Mark | None = None  # rows are read from here on; None: all of them
    covered: str = ""  # one sentence: which late commits are found, and which are not
    versions_hold: bool = True  # a row's version means the same as at the last run; otherwise its cursor must do
