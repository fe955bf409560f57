"""CSV as columns of texts: every value as it stands, NULL apart from the empty text, every row or its number."""

import csv
import io
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from etl_engine.connectors.files.bytes_in import Utf8, Watched, broken, not_text, unpacked
from etl_engine.connectors.files.folder import Folder, Item
from etl_engine.connectors.files.formats import Shape
from etl_engine.errors import Rejected

# A row must fit into one block; where one does not, the file is read again in larger ones.
_BLOCKS = (4 << 20, 64 << 20, 512 << 20)
_HEADER = 1 << 20
_STRADDLES = "straddl"


@dataclass
class Ragged:
    """A row with too few or too many values."""

    row: int
    expected: int
    found: int
    text: str


@dataclass
class Texts:
    """Some rows, as texts, and where they stand in the file."""

    batch: pa.RecordBatch
    numbers: Callable[[int], int]  # from the place in the batch to the row of the file, counted without the header
    ragged: list[Ragged] = field(default_factory=list)


def header(folder: Folder, item: Item, shape: Shape) -> tuple[str, ...]:
    """The names of the columns; none of an empty file."""
    stream = _stream(folder, item, shape)
    with stream:
        start = stream.read(_HEADER)
    if not start.strip():
        return ()
    if b"\0" in start.partition(b"\n")[0]:
        raise Rejected(
            f"{item.path} has NUL bytes at its start: it is UTF-16, or no CSV",
            kind=folder.kind,
            hint="Set the connection's csv_encoding to utf-16, or name another file.",
        )
    try:
        text = start.decode() if len(start) < _HEADER else start.decode(errors="ignore")
    except UnicodeDecodeError as error:
        raise not_text(item, folder.kind, "utf-8", error.start, error) from error
    text = text.removeprefix("\ufeff")
    try:
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=shape.delimiter,
            quoting=csv.QUOTE_MINIMAL if shape.quoted else csv.QUOTE_NONE,
        )
        names = next((row for row in reader if row), [])
    except csv.Error as error:
        raise Rejected(f"The first row of {item.path} is no CSV: {error}", kind=folder.kind) from error
    if not shape.header:
        return tuple(f"c{number + 1}" for number in range(len(names)))
    return _named(folder, item, names)


def _named(folder: Folder, item: Item, names: list[str]) -> tuple[str, ...]:
    seen: set[str] = set()
    for number, name in enumerate(names):
        if not name.strip():
            raise Rejected(
                f"Column {number + 1} of {item.path} has no name",
                kind=folder.kind,
                hint="Name it in the first row, or say on the connection that there is no header.",
            )
        if name in seen:
            raise Rejected(
                f"{item.path} has two columns named {name!r}",
                kind=folder.kind,
                hint="Rename one in the first row, or say on the connection that there is no header.",
            )
        seen.add(name)
    return tuple(names)


def texts(
    folder: Folder, item: Item, shape: Shape, names: tuple[str, ...], look: Callable[[], None]
) -> Generator[Texts, None, None]:
    """All rows of the file in their order, in memory of a few blocks."""
    if not names or not item.size:
        return
    given = 0
    for attempt, block in enumerate(_BLOCKS):
        skip = given
        try:
            for part in _parsed(folder, item, shape, names, block, look):
                rows = part.batch.num_rows
                if skip >= rows:
                    skip -= rows
                    continue
                fresh, skip = _rest(part, skip), 0
                given += fresh.batch.num_rows
                yield fresh
        except pa.ArrowInvalid as error:
            if _STRADDLES not in str(error):
                raise broken(folder, item, error) from error
            if attempt == len(_BLOCKS) - 1:
                raise Rejected(
                    f"A row of {item.path} after row {given} is longer than {_BLOCKS[-1] >> 20} MB",
                    kind=folder.kind,
                    hint='Look for a " that nothing closes; or say on the connection that values are not quoted.',
                ) from error
        else:
            return


def _rest(part: Texts, skip: int) -> Texts:
    if not skip:
        return part
    return Texts(part.batch.slice(skip), lambda place: part.numbers(place + skip), part.ragged)


def _parsed(
    folder: Folder, item: Item, shape: Shape, names: tuple[str, ...], block: int, look: Callable[[], None]
) -> Generator[Texts, None, None]:
    wrong: list[Ragged] = []
    head = 1 if shape.header else 0

    def ragged(row: Any) -> str:
        wrong.append(Ragged(row.number - head, row.expected_columns, row.actual_columns, row.text))
        return "skip"

    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.binary()),
        null_values=[shape.null],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    parse = arrow_csv.ParseOptions(
        delimiter=shape.delimiter,
        quote_char='"' if shape.quoted else False,
        newlines_in_values=shape.quoted,
        ignore_empty_lines=len(names) > 1,
        invalid_row_handler=ragged,
    )
    read = arrow_csv.ReadOptions(
        column_names=list(names), skip_rows_after_names=head, block_size=block, use_threads=False
    )
    with _stream(folder, item, shape) as stream:
        watched = Watched(stream, look)
        try:
            reader = arrow_csv.open_csv(watched, read_options=read, parse_options=parse, convert_options=convert)
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return
            raise
        done, told, last = 0, 0, b""
        for batch in reader:
            fresh, told = wrong[told:], len(wrong)
            numbers = _numbering(done, [one.row for one in wrong])
            yield Texts(_decoded(folder, item, batch, numbers), numbers, fresh)
            done += batch.num_rows
            if batch.num_rows:
                last = batch.column(batch.num_columns - 1)[batch.num_rows - 1].as_py() or b""
        if wrong[told:]:
            empty = pa.RecordBatch.from_pylist([], schema=pa.schema([(name, pa.string()) for name in names]))
            yield Texts(empty, lambda place: place, wrong[told:])
        if shape.quoted and watched.ends_inside(last):
            raise Rejected(
                f"{item.path} ends inside a quoted value, in row {done + len(wrong)}: it is cut off",
                kind=folder.kind,
                hint="Fetch the file again from where it came, and compare its size.",
            )


def _numbering(done: int, wrong: list[int]) -> Callable[[int], int]:
    """Rows that were left out count in the file, and are in no batch."""

    def number(place: int) -> int:
        row = done + place + 1
        for one in wrong:
            if one <= row:
                row += 1
        return row

    return number


def _decoded(folder: Folder, item: Item, batch: pa.RecordBatch, numbers: Callable[[int], int]) -> pa.RecordBatch:
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            columns.append(pc.cast(column, pa.string()))
        except pa.ArrowInvalid as error:
            place, bad = next((at, value) for at, value in enumerate(column.to_pylist()) if not _is_utf8(value))
            raise Rejected(
                f"{item.path}, row {numbers(place)}, column {name}: {bad[:40]!r} is no UTF-8 text",
                kind=folder.kind,
                hint="Set the connection's csv_encoding to what the file is written in, or repair the file.",
            ) from error
    return pa.RecordBatch.from_arrays(columns, names=list(batch.schema.names))


def _is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _stream(folder: Folder, item: Item, shape: Shape) -> Any:
    stream = unpacked(folder, item, shape.compression)
    if shape.encoding == "utf-8":
        return stream
    return io.BufferedReader(Utf8(stream, shape.encoding, item, folder.kind))
