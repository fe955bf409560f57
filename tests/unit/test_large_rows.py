"""Rows whose cells are large: read out of COPY's CSV and written as it again, each cell held once."""

import base64
import csv
import io
import os

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_engine.connectors.pg import large_rows

CELL = st.none() | st.text(alphabet='a",\n\\é ', max_size=12) | st.text(max_size=8)
LARGE = 2 << 20


def copied(row: list[str | None]) -> bytes:
    """As the server writes it: NULL is nothing, and the empty text stands in quotes."""
    quoted = ["" if one is None else '"' + one.replace('"', '""') + '"' for one in row]
    plain = [
        one if cell is None or not cell or set(cell) & set('",\n\r\\') else cell
        for one, cell in zip(quoted, row, strict=True)
    ]
    return (",".join(plain) + "\n").encode()


@given(st.lists(CELL.filter(lambda one: one is None or "\x00" not in one), min_size=1, max_size=5))
def test_cells_are_what_stands_between_the_commas(row: list[str | None]) -> None:
    found = [None if one is None else bytes(one).decode() for one in large_rows.cells(copied(row))]
    assert found == [None if one is None else one.replace('"', '""') for one in row]


@pytest.mark.parametrize(
    "text", ["x", '"', 'a"b', ",\n", "é", '""'], ids=["plain", "quotes", "quote", "comma", "é", "2"]
)
def test_a_large_text_comes_out_and_goes_in_again_as_it_is(text: str) -> None:
    value = (text * LARGE)[:LARGE]
    rest, large = large_rows.split(copied(["1", value, None]), [pa.int64(), pa.string(), pa.string()])
    assert rest == b'"1",,\n'
    assert large[1].to_pylist() == [value]
    assert large_rows.is_large(large[1])
    written = b"".join(large_rows.in_pieces(large[1])).decode()
    csv.field_size_limit(1 << 30)
    assert next(csv.reader(io.StringIO(written, newline=""))) == [value]


@pytest.mark.parametrize("as_base64", [True, False], ids=["base64", "digits"])
def test_large_bytes_come_out_of_both_of_their_texts(as_base64: bool) -> None:
    value = os.urandom(LARGE) + b"\x00\xff!"
    text = "=" + base64.encodebytes(value).decode() if as_base64 else value.hex()
    _, large = large_rows.split(copied(["7", text]), [pa.int64(), pa.binary()])
    assert large[1].to_pylist() == [value]
    assert b"".join(large_rows.in_pieces(large[1])) == b'"\\x' + value.hex().encode() + b'"'


def test_a_quote_that_is_not_closed_is_told() -> None:
    with pytest.raises(pa.ArrowInvalid, match="not closed"):
        list(large_rows.cells(b'1,"abc\n'))


def test_digits_that_are_none_are_told() -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        large_rows.split(b"zz" * LARGE + b"\n", [pa.binary()])


def test_ten_million_quotes_are_no_deep_recursion() -> None:
    assert [len(one or b"") for one in large_rows.cells(b'"' + b'""' * 10_000_000 + b'",\n')] == [20_000_000, 0]
