"""Texts of files as typed values: exactly, or named. And which type a column of texts is of, where somebody asks."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.carriers import carrier
from etl_engine.model.table import Family, Type

_MOST_DIGITS = 38
TEXT = Type(Family.TEXT)
_WHOLE = r"^-?(0|[1-9][0-9]*)$"
_TIME = r"[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
_DAY = r"[0-9]{4}-[01][0-9]-[0-3][0-9]"
_PATTERNS = {
    Family.BOOLEAN: r"^(true|false)$",
    Family.INTEGER: _WHOLE,
    Family.DECIMAL: r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$",
    Family.DATE: rf"^{_DAY}$",
    Family.TIMESTAMP: rf"^{_DAY}[ T]{_TIME}$",
}
_ZONED = rf"^{_DAY}[ T]{_TIME}(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$"
_SPECIAL_FLOATS = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")


def typed(texts: pa.Array, type_: Type) -> tuple[pa.Array, list[int]]:
    """The values, and the places of those that are none of this type (NULL there, for the caller to leave out)."""
    wanted = carrier(type_)
    if pa.types.is_string(wanted):
        return texts, []
    read = _READ.get(type_.family, _cast)
    try:
        return read(texts, wanted), []
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):
        pass
    wrong = _wrong(texts, lambda part: read(part, wanted))
    keep = pa.array([place not in wrong for place in range(len(texts))])
    return read(pc.if_else(keep, texts, pa.scalar(None, pa.string())), wanted), sorted(wrong)


def _wrong(texts: pa.Array, read: Callable[[pa.Array], pa.Array], base: int = 0) -> set[int]:
    """By halves: the few wrong ones among many are found with few tries."""
    try:
        read(texts)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):
        if len(texts) == 1:
            return {base}
        middle = len(texts) // 2
        return _wrong(texts.slice(0, middle), read, base) | _wrong(texts.slice(middle), read, base + middle)
    return set()


def _cast(texts: pa.Array, wanted: pa.DataType) -> pa.Array:
    return pc.cast(texts, wanted)


def _boolean(texts: pa.Array, _wanted: pa.DataType) -> pa.Array:
    known = pc.is_in(texts, value_set=pa.array(["true", "false"]))
    if pc.all(pc.or_(known, pc.is_null(texts))).as_py() is False:
        raise ValueError("neither true nor false")
    return pc.equal(texts, "true")


def _integer(texts: pa.Array, wanted: pa.DataType) -> pa.Array:
    _insist(texts, r"^-?[0-9]+$")  # Arrow reads 0x1F too
    return pc.cast(texts, wanted)


def _float(texts: pa.Array, wanted: pa.DataType) -> pa.Array:
    for said, meant in _SPECIAL_FLOATS.items():
        if pc.any(pc.equal(texts, said)).as_py():
            texts = pc.if_else(pc.equal(texts, said), meant, texts)
    return pc.cast(texts, wanted)


def _bytes(texts: pa.Array, _wanted: pa.DataType) -> pa.Array:
    made = []
    for text in texts.to_pylist():
        if text is not None and not _HEX.fullmatch(text):
            raise ValueError("not hexadecimal digits")
        made.append(None if text is None else bytes.fromhex(text))
    return pa.array(made, pa.binary())


def _timestamp(texts: pa.Array, wanted: pa.DataType) -> pa.Array:
    if wanted.tz:
        _insist(texts, r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)$")
    return pc.cast(texts, wanted)


def _time(texts: pa.Array, wanted: pa.DataType) -> pa.Array:
    _insist(texts, r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?$")
    moments = pc.cast(pc.binary_join_element_wise("1970-01-01", texts, " "), pa.timestamp(wanted.unit))
    return pc.cast(moments, wanted)


def _insist(texts: pa.Array, pattern: str) -> None:
    if pc.all(pc.match_substring_regex(texts, pattern)).as_py() is False:
        raise ValueError("written in another way")


_READ: dict[Family, Callable[[pa.Array, pa.DataType], pa.Array]] = {
    Family.BOOLEAN: _boolean,
    Family.INTEGER: _integer,
    Family.FLOAT: _float,
    Family.BYTES: _bytes,
    Family.TIMESTAMP: _timestamp,
    Family.TIME: _time,
}


@dataclass
class Guess:
    """What all texts of one column can be read as without any of them changing its meaning."""

    any_values: bool = False
    left: set[str] = field(default_factory=lambda: {*(family.value for family in _PATTERNS), "zoned"})
    digits: int = 0  # before the point
    places: int = 0

    def look(self, texts: pa.Array) -> None:
        values = pc.drop_null(texts)
        if not len(values):
            return
        self.any_values = True
        for family, pattern in (*_PATTERNS.items(), ("zoned", _ZONED)):
            name = str(family)
            if name in self.left and not self._fits(values, name, pattern):
                self.left.discard(name)
        if Family.DECIMAL in self.left:
            whole = pc.utf8_length(pc.replace_substring_regex(values, r"^-|\..*$", ""))
            self.digits = max(self.digits, pc.max(whole).as_py())
            self.places = max(self.places, _longest_fraction(values))
            if self.digits + self.places > _MOST_DIGITS:
                self.left.discard(Family.DECIMAL)

    def _fits(self, values: pa.Array, name: str, pattern: str) -> bool:
        if not pc.all(pc.match_substring_regex(values, pattern)).as_py():
            return False
        if (
            name in (Family.INTEGER, Family.DECIMAL)
            and pc.any(pc.match_substring_regex(values, r"^-0(\.0*)?$")).as_py()
        ):
            return False
        try:
            if name == Family.INTEGER:
                pc.cast(values, pa.int64())
            elif name == Family.DATE:
                pc.cast(values, pa.date32())
            elif name == Family.TIMESTAMP:
                pc.cast(values, pa.timestamp("us"))
            elif name == "zoned":
                pc.cast(values, pa.timestamp("us", "UTC"))
        except pa.ArrowInvalid:
            return False
        return True

    def type(self) -> Type:
        if not self.any_values:
            return TEXT
        for type_ in (Type(Family.BOOLEAN), Type(Family.INTEGER, size=64), Type(Family.DATE, special=False)):
            if type_.family in self.left:
                return type_
        if Family.DECIMAL in self.left:
            return Type(Family.DECIMAL, precision=max(self.digits + self.places, 1), scale=self.places, special=False)
        for name in ("zoned", Family.TIMESTAMP):
            if name in self.left:
                return Type(Family.TIMESTAMP, precision=6, zoned=name == "zoned", special=False)
        return TEXT


def _longest_fraction(values: pa.Array) -> int:
    found = pc.extract_regex(values, r"\.(?P<digits>[0-9]+)")
    digits = pc.struct_field(found, "digits")
    longest = pc.max(pc.utf8_length(digits)).as_py()
    return longest or 0
