"""Column rules on record batches: against the slow reference for anything, and by hand for what matters most."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_mapping import row_of

from etl_engine.connectors.carriers import carried
from etl_engine.engine.mapping import FEWER, MORE, Mapped, Mapper
from etl_engine.engine.mapping_check import findings
from etl_engine.errors import BadInput
from etl_engine.model.mapping import RULES, Rule
from etl_engine.model.schema import SchemaColumn, house_columns
from etl_engine.model.table import Column, Family, Type

TEXT = Type(Family.TEXT)
A_B_C = tuple(Column(name, "text", TEXT) for name in "abc")
TARGET_TYPES = ("string", "integer", "decimal(5,2)", "decimal(38,20)", "boolean", "date", "timestamp")


def rule(kind: str, source: str, target: str, **config: Any) -> Rule:
    body = {"type": kind, "source_columns": source.split(), "target_fields": target.split()}
    return RULES.validate_python(body | ({"config": config} if config else {}))


def fields(**types: str) -> tuple[Column, ...]:
    """Columns of the target; a `!` says that it is required."""
    return house_columns(
        [
            SchemaColumn(name=name, data_type=given.rstrip("!"), nullable=not given.endswith("!"))
            for name, given in types.items()
        ]
    )


def applied(rules: list[Rule], rows: list[dict[str, Any]], target: tuple[Column, ...], **options: Any) -> Mapped:
    source = options.pop("source", A_B_C)
    batch = pa.RecordBatch.from_pylist(rows, schema=carried(source))
    return Mapper(rules, source, target).apply(batch, **options)


def one(kind: str, value: Any, data_type: str, source: Type = TEXT, **config: Any) -> tuple[Any, str]:
    """What a single value becomes, and why it does not fit."""
    columns = (Column("a", "", source),)
    mapped = applied([rule(kind, "a", "x", **config)], [{"a": value}], fields(x=data_type), source=columns)
    values = mapped.batch.column("x").to_pylist()
    return (values[0] if values else None), " · ".join(reject.reason for reject in mapped.rejects)


NEAR_VALUES = st.one_of(
    st.none(),
    st.text(max_size=8).filter(lambda text: "\0" not in text),
    st.text("ab ,;-|", max_size=10),
    st.from_regex(r"\A[+-]?[0-9]{0,4}\.?[0-9]{0,4}(e[+-]?[0-9])?\Z"),
    st.integers(-(2**64), 2**64).map(str),
    st.sampled_from(["9223372036854775807", "9223372036854775808", "-9223372036854775808", "00.10", "999.99", "1000"]),
    st.sampled_from(["yes", "F", "TRUE", "0", "1", "on", " 1 ", "NaN", "Infinity", "1.", ".5", "-", "+1", "-0"]),
    st.sampled_from(["2024-02-29", "2023-02-29", "0000-01-01", "0001-01-01", "9999-12-31", "2024-13-01"]),
    st.sampled_from(
        ["2024-02-29 10", "2024-02-29 10:11", "0000-01-01 00:00", "2024-02-29 10:11:12.5", "2024-02-30 10:11"]
    ),
    st.sampled_from(["2024-02-29 00:00:00.000", "2024-02-29T23:59:59.1234560", "2024-02-29 24:00", "2024-02-29 1:2"]),
)
STEPS = st.lists(
    st.sampled_from(
        [
            {"op": "trim"},
            {"op": "trim", "characters": "a,"},
            {"op": "replace", "find": "a", "replacement": "1"},
            {"op": "regex", "pattern": "[^0-9.-]", "replacement": ""},
            {"op": "null_if", "values": ["", "0", "ab"]},
            {"op": "default", "value": "7"},
            {"op": "hash", "salt": "s"},
            {"op": "mask", "keep_start": 1, "keep_end": 2},
            {"op": "mask", "character": "x"},
        ]
    ),
    max_size=3,
)


@st.composite
def rules_and_fields(draw: st.DrawFn) -> tuple[list[Rule], tuple[Column, ...]]:
    drawn: list[Rule] = []
    types: dict[str, str] = {}
    for number in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["direct", "split", "join"]))
        names = [f"f{number}_{part}" for part in range(draw(st.integers(1, 3)) if kind == "split" else 1)]
        for name in names:
            types[name] = draw(st.sampled_from(TARGET_TYPES)) + draw(st.sampled_from(["", "", "!"]))
        columns = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3 if kind == "join" else 1))
        config: dict[str, Any] = {"steps": draw(STEPS)}
        if kind == "split":
            config["delimiter"] = draw(st.sampled_from([",", " ", "ab", "-"]))
            config["fewer"] = draw(st.sampled_from(["null", "reject"]))
            config["more"] = draw(st.sampled_from(["rest", "drop", "reject"]))
        if kind == "join":
            config["separator"] = draw(st.sampled_from([None, "", ",", " - "]))
            config["nulls"] = draw(st.sampled_from(["skip", "empty", "null"]))
        body = {"type": kind, "source_columns": columns, "target_fields": names, "config": config}
        drawn.append(RULES.validate_python(body))
    return drawn, fields(**types)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(rules_and_fields(), st.lists(st.fixed_dictionaries(dict.fromkeys("abc", NEAR_VALUES)), max_size=12))
def test_whole_columns_become_what_single_values_become(
    drawn: tuple[list[Rule], tuple[Column, ...]], rows: list[dict[str, str | None]]
) -> None:
    rules, target = drawn
    expected = [row_of(rules, row, target) for row in rows]
    mapped = applied(rules, rows, target, first_row=10)
    assert mapped.batch.to_pylist() == [row for row in expected if row is not None]
    refused = [10 + place for place, row in enumerate(expected) if row is None]
    assert sorted({reject.row for reject in mapped.rejects}) == refused
    assert mapped.rejected == len(refused)
    assert mapped.batch.schema == carried(target)


def test_split_fills_fields_of_different_types_and_counts_what_is_uneven() -> None:
    rows = [{"a": text} for text in ("7,x,true", "8,y", "9,z,no,more", None, "x,y,z")]
    split = rule("split", "a", "n s b", delimiter=",")
    mapped = applied([split], rows, fields(n="integer", s="string", b="boolean"))
    assert mapped.batch.to_pylist() == [
        {"n": 7, "s": "x", "b": True},
        {"n": 8, "s": "y", "b": None},
        {"n": None, "s": None, "b": None},
    ]
    assert mapped.counts == {FEWER: 1, MORE: 1}
    assert [(each.row, each.column, each.value) for each in mapped.rejects] == [
        (3, "b", "9,z,no,more"),
        (5, "n", "x,y,z"),
        (5, "b", "x,y,z"),
    ]
    assert mapped.rejected == 2


def test_a_reject_says_row_column_value_reason_and_the_whole_row() -> None:
    rows = [{"a": "1", "b": None}, {"a": "seven", "b": "x"}]
    [reject] = applied([rule("direct", "a", "n")], rows, fields(n="integer"), first_row=101).rejects
    assert (reject.row, reject.column, reject.value) == (102, "n", "seven")
    assert reject.reason == "is not a whole number"
    assert json.loads(reject.content) == {"a": "seven", "b": "x", "c": None}


def test_rejects_are_told_up_to_a_number_and_counted_all() -> None:
    mapped = applied([rule("direct", "a", "n")], [{"a": "x" * 300}] * 50, fields(n="integer"), told=3)
    assert ([each.row for each in mapped.rejects], mapped.rejected, mapped.batch.num_rows) == ([1, 2, 3], 50, 0)
    assert len(mapped.rejects[0].value) == 200


def test_a_required_field_without_a_value_rejects_the_row() -> None:
    mapped = applied([rule("direct", "a", "n")], [{"a": None}, {"a": "1"}], fields(n="integer!", m="string"))
    assert mapped.batch.to_pylist() == [{"n": 1, "m": None}]
    assert [each.reason for each in mapped.rejects] == ["has no value, and the field needs one"]


def test_a_batch_without_rows_becomes_one() -> None:
    rules = [rule("split", "a", "x y", delimiter=","), rule("join", "a b", "z", steps=[{"op": "hash"}])]
    mapped = applied(rules, [], fields(x="integer", y="date", z="string"))
    assert (mapped.batch.num_rows, mapped.rejects, mapped.rejected) == (0, [], 0)


def test_a_constant_is_in_every_row() -> None:
    constant = RULES.validate_python({"type": "constant", "target_fields": ["d"], "config": {"value": "2024-02-29"}})
    mapped = applied([constant], [{"a": "1"}, {"a": None}], fields(d="date!"))
    assert mapped.batch.to_pylist() == [{"d": dt.date(2024, 2, 29)}] * 2


INT64, UINT64 = Type(Family.INTEGER, size=64), Type(Family.INTEGER, size=64, signed=False)
FLOAT = Type(Family.FLOAT, size=64)
NAIVE = Type(Family.TIMESTAMP, precision=6, special=False)
ZONED = Type(Family.TIMESTAMP, precision=6, special=False, zoned=True)
NANOSECONDS = Type(Family.TIMESTAMP, precision=9, special=False)
DATE = Type(Family.DATE, special=False)
TEN_AT_UTC = dt.datetime(2024, 7, 1, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "source", "data_type", "expected"),
    [
        (2**53, INT64, "float", float(2**53)),
        (2**53 + 1, INT64, "float", "would be rounded as a float"),
        (2**63 - 1, INT64, "float", "would be rounded as a float"),
        (2**62, INT64, "float", 2.0**62),
        (2**63, UINT64, "integer", "is larger than 64 bits hold"),
        (2**64 - 1, UINT64, "decimal(20,0)", Decimal(2**64 - 1)),
        (2**64 - 1, UINT64, "string", "18446744073709551615"),
        (1.0, FLOAT, "integer", 1),
        (1.5, FLOAT, "integer", "is not a whole number"),
        (2.0**63, FLOAT, "integer", "is larger than 64 bits hold"),
        (float("nan"), FLOAT, "integer", "is not a whole number"),
        (float("inf"), FLOAT, "string", "Infinity"),
        (float("inf"), FLOAT, "decimal(5,2)", "is not a number"),
        (1e-7, FLOAT, "decimal(10,7)", Decimal("0.0000001")),
        (1, INT64, "boolean", True),
        (2, INT64, "boolean", "is neither 0 nor 1"),
        (True, Type(Family.BOOLEAN), "string", "true"),
        (True, Type(Family.BOOLEAN), "integer", 1),
        (5, INT64, "json", "5"),
        (dt.date(2024, 2, 29), DATE, "timestamp", dt.datetime(2024, 2, 29)),
        (dt.datetime(2024, 2, 29), NAIVE, "date", dt.date(2024, 2, 29)),
        (dt.datetime(2024, 2, 29, 1), NAIVE, "date", "has a time of day, which a date does not"),
        (1_000_000_001, NANOSECONDS, "timestamp", "is finer than a microsecond"),
        (1_000_001_000, NANOSECONDS, "timestamp", dt.datetime(1970, 1, 1, 0, 0, 1, 1)),
        (dt.datetime(2024, 2, 29, 1, 2, 3, 120000), NAIVE, "string", "2024-02-29 01:02:03.12"),
        (TEN_AT_UTC, ZONED, "string", "2024-07-01 10:00:00+00"),
        (dt.datetime(2024, 2, 29), NAIVE, "timestamptz", "has no time zone, and the mapping does not say"),
        (TEN_AT_UTC, ZONED, "timestamp", "is an instant, and the mapping does not say"),
        (b"\xc3\xbc", Type(Family.BYTES), "string", "ü"),
        (b"\xff", Type(Family.BYTES), "string", "is not UTF-8 text"),
        ("ü", TEXT, "bytes", b"\xc3\xbc"),
        ("{'a': 1}", TEXT, "json", "is not JSON"),
        ("12", TEXT, "json", "12"),
        ("0044-03-15 BC", TEXT, "date", "is not a date such as 2024-02-29"),
        ("infinity", TEXT, "timestamp", "is not a time such as"),
        ("NaN", TEXT, "decimal(5,2)", "is not a number"),
        ("1e400", TEXT, "float", "is larger than a float holds"),
        ("-Infinity", TEXT, "float", float("-inf")),
        ("2024-02-29 23:59:59.9999999", TEXT, "timestamp", "is not a time such as"),
    ],
)
def test_a_value_fits_exactly_or_says_why_not(value: Any, source: Type, data_type: str, expected: Any) -> None:
    got, reason = one("direct", value, data_type, source)
    if reason:
        assert isinstance(expected, str) and reason.startswith(expected)
    else:
        assert got == expected and type(got) is type(expected)


@pytest.mark.parametrize(
    ("value", "source", "data_type", "expected"),
    [
        (dt.datetime(2024, 7, 1, 12), NAIVE, "timestamptz", TEN_AT_UTC),
        ("2024-07-01 12:00", TEXT, "timestamptz", TEN_AT_UTC),
        ("2024-07-01 10:00:00+00", TEXT, "timestamptz", TEN_AT_UTC),
        ("2024-07-01T10:00Z", TEXT, "timestamp", dt.datetime(2024, 7, 1, 12)),
        (TEN_AT_UTC, ZONED, "timestamp", dt.datetime(2024, 7, 1, 12)),
        (dt.datetime(2024, 7, 1, 22, tzinfo=dt.UTC), ZONED, "date", dt.date(2024, 7, 2)),
        (dt.datetime(2024, 3, 31, 2, 30), NAIVE, "timestamptz", "happens twice or never in Europe/Berlin"),
        (dt.datetime(2024, 10, 27, 2, 30), NAIVE, "timestamptz", "happens twice or never in Europe/Berlin"),
    ],
)
def test_a_zone_is_used_where_it_is_given_and_never_guessed(
    value: Any, source: Type, data_type: str, expected: Any
) -> None:
    got, reason = one("direct", value, data_type, source, zone="Europe/Berlin")
    assert reason.startswith(expected) if reason else got == expected


def test_decimals_of_many_places_have_no_exponent_as_text() -> None:
    source = Type(Family.DECIMAL, precision=20, scale=8, special=False)
    for text in ("0.00000000", "-0.00000001", "-12.30000000", "123456789012.00000000"):
        assert one("direct", Decimal(text), "string", source) == (text, "")


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ([rule("direct", "a", "unknown"), rule("direct", "a", "n")], "unknown-target-field"),
        ([rule("direct", "a", "n"), rule("direct", "b", "n")], "mapped-twice"),
        ([rule("split", "a", "n n", delimiter=",")], "mapped-twice"),
        ([rule("direct", "a", "s")], "required-unmapped"),
        ([rule("direct", "z", "n")], "unknown-source-column"),
        ([rule("direct", "a", "n", steps=[{"op": "regex", "pattern": "("}])], "invalid"),
        ([rule("direct", "a", "n", steps=[{"op": "regex", "pattern": "a", "replacement": "\\9"}])], "invalid"),
        ([rule("direct", "raw", "n", steps=[{"op": "trim"}])], "bytes-are-not-text"),
        ([rule("direct", "at", "z"), rule("direct", "a", "n")], "zone-missing"),
    ],
)
def test_what_keeps_a_mapping_from_running_is_found_before(rules: list[Rule], code: str) -> None:
    source = (*A_B_C, Column("raw", "bytea", Type(Family.BYTES)), Column("at", "timestamp", NAIVE))
    target = fields(n="integer!", s="string", z="timestamptz")
    found = findings(rules, target, source)
    assert [each.problem.code for each in found] == [code]
    assert all(each.problem.fix and each.problem.message for each in found)


def test_a_constant_that_does_not_fit_is_found_before() -> None:
    wrong = RULES.validate_python({"type": "constant", "target_fields": ["n"], "config": {"value": "seven"}})
    [found] = findings([wrong], fields(n="integer"))
    assert (found.rule, found.problem.pointer, found.problem.message) == (0, "/config/value", "is not a whole number")


def test_a_mapper_is_not_made_of_columns_that_are_not_there() -> None:
    with pytest.raises(BadInput, match="The source has no column 'z'"):
        Mapper([rule("direct", "z", "n")], A_B_C, fields(n="integer"))
