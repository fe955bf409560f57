"""JSON Lines: one object a line. What its columns are is known only after all of it was read."""

import io
import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from etl_engine.connectors.files.bytes_in import not_text, unpacked
from etl_engine.connectors.files.folder import Folder, Item
from etl_engine.connectors.files.formats import Shape
from etl_engine.errors import Rejected
from etl_engine.model.table import Family, Type

_ROWS = 8192
_CHARACTERS = 4 << 20
_LONGEST_LINE = 1 << 29
_INT64 = range(-(2**63), 2**63)
_MOST_DIGITS = 38


class Number(str):
    """A number with a point or an exponent, as it is written."""

    __slots__ = ()


class NoRow(Exception):
    """A line that is no row; says why."""


@dataclass
class Seen:
    """What stood in one key of all lines."""

    kinds: set[str] = field(default_factory=set)
    digits: int = 0
    places: int = 0

    def look(self, value: object) -> None:
        if value is None:
            return
        if isinstance(value, bool):
            self.kinds.add("boolean")
        elif isinstance(value, int):
            self.kinds.add("integer" if value in _INT64 else "large")
            self.digits = max(self.digits, len(str(abs(value))))
        elif isinstance(value, Number):
            whole, point, places = value.lstrip("-").partition(".")
            self.kinds.add("decimal" if point and whole.isdigit() and places.isdigit() else "large")
            self.digits, self.places = max(self.digits, len(whole)), max(self.places, len(places))
        else:
            self.kinds.add("text" if isinstance(value, str) else "nested")

    def type(self) -> Type:
        """Numbers with a point are exact decimals; a key that holds different things is JSON."""
        kinds = self.kinds
        if kinds == {"boolean"}:
            return Type(Family.BOOLEAN)
        if kinds == {"integer"}:
            return Type(Family.INTEGER, size=64)
        if kinds <= {"integer", "decimal"} and kinds and self.digits + self.places <= _MOST_DIGITS:
            return Type(Family.DECIMAL, precision=self.digits + self.places, scale=self.places, special=False)
        return Type(Family.TEXT) if kinds <= {"text"} else Type(Family.JSON)


def lines(folder: Folder, item: Item, shape: Shape, look: Callable[[], None]) -> Iterator[tuple[int, bytes]]:
    """Numbered from 1, without the blank ones."""
    with io.BufferedReader(unpacked(folder, item, shape.compression), 1 << 20) as stream:
        number = 0
        while line := stream.readline(_LONGEST_LINE):
            number += 1
            if number % _ROWS == 1:
                look()
            if len(line) >= _LONGEST_LINE:
                raise Rejected(
                    f"Line {number} of {item.path} is longer than {_LONGEST_LINE >> 20} MB",
                    kind=folder.kind,
                    hint="One object must stand on each line.",
                )
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield number, line


def row_of(folder: Folder, item: Item, number: int, line: bytes) -> dict[str, Any]:
    """Numbers keep all their digits. NoRow for a line that is no object."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        made = not_text(item, folder.kind, "utf-8", error.start, error)
        raise Rejected(f"Line {number} of {made.message}", kind=folder.kind, hint="Write the file as UTF-8.") from error
    try:
        row = json.loads(text, parse_float=Number, parse_constant=_no_constant, object_pairs_hook=_once)
    except RecursionError as error:
        raise NoRow("is nested too deeply") from error
    except ValueError as error:
        told = getattr(error, "msg", str(error))
        raise NoRow(f"is no JSON: {told}") from error
    if not isinstance(row, dict):
        raise NoRow("is no JSON object")
    return row


def arrays(columns: list[tuple[str, Type]], rows: list[dict[str, Any]], *, declared: bool) -> pa.RecordBatch:
    """The rows as texts; NULL where the key is missing or null. In `declared` tables of ours a text is what it says."""
    made = [
        pa.array([_text(row.get(name), type_.family is Family.JSON and not declared) for row in rows], pa.string())
        for name, type_ in columns
    ]
    return pa.RecordBatch.from_arrays(made, names=[name for name, _ in columns])


def chunks(
    rows: Iterator[tuple[int, dict[str, Any], int]],
) -> Generator[tuple[list[int], list[dict[str, Any]]], None, None]:
    """Rows with their numbers, as many as fit into a batch."""
    numbers: list[int] = []
    held: list[dict[str, Any]] = []
    characters = 0
    for number, row, size in rows:
        numbers.append(number)
        held.append(row)
        characters += size
        if len(held) >= _ROWS or characters >= _CHARACTERS:
            yield numbers, held
            numbers, held, characters = [], [], 0
    if held:
        yield numbers, held


def _text(value: object, quoted: bool) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and not quoted:
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return written(value)


def written(value: object) -> str:
    """JSON again, with the numbers as they stood."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        inner = ",".join(f"{json.dumps(key, ensure_ascii=False)}:{written(one)}" for key, one in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ValueError(f"has the key {twice[:60]!r} twice")
    return made


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")
