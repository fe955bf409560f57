"""Tables as every engine describes them: names, columns, and types in one vocabulary between all of them."""

from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """What a value is, whichever system holds it."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    TEXT = "text"
    BYTES = "bytes"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    INTERVAL = "interval"
    UUID = "uuid"
    JSON = "json"
    BITS = "bits"
    ENUM = "enum"
    ARRAY = "array"
    OTHER = "other"  # known by name only: two of them are alike when their names are


@dataclass(frozen=True)
class Type:
    """One type. What is None is not limited, or not said."""

    family: Family
    size: int | None = None  # bits of a number, characters of a text, bits of a bit string
    precision: int | None = None  # decimal digits, or digits of a fraction of a second
    scale: int | None = None
    signed: bool = True
    zoned: bool = False  # an instant, not a reading of somebody's clock
    fixed: bool = False  # padded to its size
    canonical: bool = False  # rewritten by the server when stored, as PostgreSQL's jsonb
    folded: bool = False  # compares without regard to upper and lower case
    special: bool = True  # holds NaN and infinity, or years beyond four digits, beside numbers and times
    zero: bool = False  # holds dates with a zero year, month or day, as MySQL's
    of: "Type | None" = None  # of the elements of an array
    name: str = ""
    labels: tuple[str, ...] = ()
    nuls: bool = True  # a text may have the character U+0000 in it; PostgreSQL's may not


@dataclass(frozen=True)
class Column:
    """One column of a table or of a query's result."""

    name: str
    native: str  # the type as its own system writes it: "numeric(15,2)"
    type: Type
    nullable: bool = True
    generated: bool = False  # computed by the server: cannot be written
    filled: bool = False  # the server has a value for it when none is given
    portable: bool = True  # its binary form means the same on every server of its engine


@dataclass(frozen=True)
class TableName:
    """A table within the database of a connection. `schema` is empty where the engine has none."""

    schema: str
    name: str

    def __str__(self) -> str:
        return ".".join(_shown(part) for part in (self.schema, self.name) if part)


@dataclass(frozen=True)
class Table:
    """A table, a view or the result of a query, as its system describes it."""

    name: TableName | None  # None: a query
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()  # the primary key, in its order
    unique: tuple[tuple[str, ...], ...] = ()  # other keys that hold for every row, of columns that are never NULL
    kind: str = "table"  # table, view, query
    rows: int | None = None  # the server's own estimate
    bytes: int | None = None
    incarnation: str = ""  # changes when a table is dropped and made again under its name

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def is_key(self, columns: tuple[str, ...]) -> bool:
        """Whether no two rows can agree in all of these columns."""
        held = set(columns)
        return any(set(key) <= held for key in (self.key, *self.unique) if key)


def parse_name(text: str) -> tuple[str, ...]:
    """The parts of a dotted name; quotes, doubled inside, protect dots. ValueError where it is none."""
    parts: list[str] = []
    rest = text.strip()
    while True:
        if rest.startswith('"'):
            part, end = "", 1
            while True:
                quote = rest.find('"', end)
                if quote < 0:
                    raise ValueError("has a quote that is not closed")
                part += rest[end:quote]
                if rest[quote + 1 : quote + 2] != '"':
                    break
                part, end = part + '"', quote + 2
            rest = rest[quote + 1 :]
        else:
            part, dot, tail = rest.partition(".")
            rest = dot + tail
        if not part:
            raise ValueError("has an empty part")
        parts.append(part)
        if not rest:
            return tuple(parts)
        if not rest.startswith("."):
            raise ValueError("goes on after a quoted part")
        rest = rest[1:]


def _shown(part: str) -> str:
    if part and '"' not in part and "." not in part and part == part.strip():
        return part
    return '"' + part.replace('"', '""') + '"'
