"""Names of tables, queries between parentheses, names of batches, and the order itself."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from etl_engine.connectors.pg.one_query import one_query
from etl_engine.connectors.rows import KeyRange
from etl_engine.engine import batches
from etl_engine.errors import BadInput
from etl_engine.model.copies import CopyOrder
from etl_engine.model.table import TableName, parse_name


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("orders", ("orders",)),
        ("public.orders", ("public", "orders")),
        ('"a.b"."c""d"', ("a.b", 'c"d')),
        ('x."y z"', ("x", "y z")),
        (" t ", ("t",)),
    ],
)
def test_a_dotted_name(text: str, parts: tuple[str, ...]) -> None:
    assert parse_name(text) == parts


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", '"a', '""', '"a"b', "a..b"])
def test_a_name_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"part|quote"):
        parse_name(text)


@given(st.text(min_size=1).filter(str.strip), st.text(min_size=1).filter(str.strip))
def test_a_name_that_is_shown_is_read_as_it_was(schema: str, name: str) -> None:
    assert parse_name(str(TableName(schema, name))) == (schema, name)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "SELECT ';', \";\", $$;$$, $a$ ; $$ $a$, E'\\';' -- ; )",
        "SELECT (1) /* ; ( /* nested */ */",
        "SELECT a$1$b FROM t",
        "(SELECT 1)",
        "SELECT ')' ;  ",
        "SELECT 'a''b;' || e'\\\\'",
        "VALUES (1), (2)",
    ],
)
def test_one_query_stays_one(query: str) -> None:
    assert one_query(query).startswith(query.split(maxsplit=1)[0])


@pytest.mark.parametrize(
    "query",
    [
        "",
        "  ",
        "SELECT 1; SELECT 2",
        "SELECT 1) TO STDOUT; DROP TABLE t; COPY (SELECT 1",
        "SELECT (1",
        "SELECT 'x",
        'SELECT "x',
        "SELECT 1 /* x",
        "SELECT '\\'; DROP TABLE t; --'",
        "SELECT $a$ ; $b$ ) ; SELECT 1",
    ],
)
def test_what_is_not_one_query_is_refused(query: str) -> None:
    with pytest.raises(BadInput):
        one_query(query)


@pytest.mark.parametrize("piece", ["'", "$", "(", "/*", "$a$", "e'", "''", "-", '"'])
def test_a_hostile_query_is_read_quickly(piece: str) -> None:
    began = time.monotonic()
    with pytest.raises(BadInput):
        one_query("SELECT (" + piece * 20_000)
    assert time.monotonic() - began < 5


def order(**options: object) -> CopyOrder:
    return CopyOrder.model_validate({"source_id": "a", "target_id": "b", "table": "t", "target": "t", **options})


def test_a_slice_has_one_name_and_two_slices_have_two() -> None:
    stream = batches.stream_of(order(), TableName("public", "t"))
    assert stream == batches.stream_of(order(mode="merge", cursor="at"), TableName("public", "t"))
    assert stream != batches.stream_of(order(), TableName("public", "t2"))
    names = {
        batches.batch_of(stream, run, before, seq)
        for run in ("r1", "r2")
        for before in ("", "b1")
        for seq in (0, 1, 10)
    }
    assert len(names) == 2 * 3 + 3  # what builds upon a batch has one name, whoever runs it
    assert batches.batch_of(stream, "r1", "b", 1) == batches.batch_of(stream, "r2", "b", 1)


def test_pieces_come_back_as_they_were_kept() -> None:
    pieces = [KeyRange(("a", "b"), None, ("1", "é\n")), KeyRange(("a", "b"), ("1", "é\n"), None)]
    assert batches.pieces_of(batches.pieces_text(pieces)) == pieces


@pytest.mark.parametrize(
    "options",
    [
        {"query": "SELECT 1"},
        {"table": ""},
        {"mode": "replace", "cursor": "at"},
        {"mode": "append", "cursor": "at", "null_cursor": "include"},
        {"mode": "append", "cursor": "at", "verify": True},
        {"key": ("a", "a")},
        {"mode": "upsert"},
        {"slice_rows": 0},
        {"look_back": -1},
        {"unknown": 1},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        order(**options)
