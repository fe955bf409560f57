"""What is read from files, and what every kind of broken file comes to: a clear end, never another value."""

import datetime as dt
import decimal
import gzip
import json
import os
import uuid
from pathlib import Path
from typing import Any

import file_tables
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_tables import End

from etl_engine.connectors.carriers import carried
from etl_engine.connectors.rows import ARROW, Reject, Selection
from etl_engine.errors import BadInput, EtlError, Missing, Refused, Rejected, Unreachable
from etl_engine.model.table import Family


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    return made


def end(folder: Path, **options: Any) -> End:
    return file_tables.folder(folder, **options)


def read(place: End, table: str, rejects: list[Reject] | None = None) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    """The types of the columns, and the rows."""
    source = place.connector.open_source()
    try:
        selection = Selection(table)
        described = source.describe(selection)
        source.begin(selection)
        rows = source.read(selection, described, ARROW)
        if rejects is not None:
            rows.on_reject = rejects.append
        batches = list(rows.batches())
        for batch in batches:
            assert batch.schema.types == carried(described.columns).types
        found = [tuple(row.values()) for batch in batches for row in batch.to_pylist()]
        assert rows.finish().rows == len(found)
        return {one.name: one.native for one in described.columns}, found
    finally:
        source.close()


def refused(place: End, table: str, error: type[EtlError], *facts: str) -> None:
    with pytest.raises(error) as raised:
        read(place, table)
    assert raised.value.hint
    for fact in facts:
        assert fact in str(raised.value) + raised.value.hint, raised.value


# CSV


def test_every_column_is_text_unless_types_are_asked_for(folder: Path) -> None:
    (folder / "a.csv").write_text('id,zip,note\n1,007,"x"\n2,,""\n')
    assert read(end(folder), "a.csv") == (
        {"id": "string", "zip": "string", "note": "string"},
        [("1", "007", "x"), ("2", None, "")],
    )


@pytest.mark.parametrize(
    ("values", "native", "family"),
    [
        (["1", "-2", ""], "int64", Family.INTEGER),
        (["1", "007"], "string", Family.TEXT),
        (["1", "+1"], "string", Family.TEXT),
        (["0", "-0"], "string", Family.TEXT),
        (["1e5"], "string", Family.TEXT),
        (["9223372036854775807"], "int64", Family.INTEGER),
        (["9223372036854775808"], "decimal128(19, 0)", Family.DECIMAL),
        (["1.50", "22.5"], "decimal128(4, 2)", Family.DECIMAL),
        (["1.5", "x"], "string", Family.TEXT),
        (["9" * 39], "string", Family.TEXT),
        (["true", "false"], "bool", Family.BOOLEAN),
        (["true", "yes"], "string", Family.TEXT),
        (["2024-02-29"], "date32[day]", Family.DATE),
        (["2023-02-29"], "string", Family.TEXT),
        (["2024-02-29 10:00:00"], "timestamp[us]", Family.TIMESTAMP),
        (["2024-02-29T10:00:00.123456Z", "2024-02-29 10:00:00+02:00"], "timestamp[us, tz=UTC]", Family.TIMESTAMP),
        (["2024-02-29 10:00:00", "2024-02-29 10:00:00Z"], "string", Family.TEXT),
        (["2024-02-29 10:00:00.1234567"], "string", Family.TEXT),
        (["", ""], "string", Family.TEXT),
    ],
)
def test_an_inferred_type_keeps_what_every_value_means(
    folder: Path, values: list[str], native: str, family: Family
) -> None:
    (folder / "a.csv").write_text("n,v\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values)))
    types, rows = read(end(folder, csv_types="infer"), "a.csv")
    assert types["v"] == native
    if family is Family.DECIMAL:
        assert [row[1] for row in rows] == [decimal.Decimal(value) for value in values]
    if family is Family.TEXT:
        assert [row[1] or "" for row in rows] == values


def test_the_last_row_of_the_last_file_still_decides_the_type(folder: Path) -> None:
    (folder / "a.csv").write_text("v\n" + "1\n" * 50_000)
    (folder / "b.csv").write_text("v\n" + "1\n" * 50_000 + "007\n")
    types, rows = read(end(folder, csv_types="infer"), "*.csv")
    assert types == {"v": "string"} and rows[-1] == ("007",) and len(rows) == 100_001


def test_what_stands_in_a_csv_comes_as_it_stands(folder: Path) -> None:
    values = [
        '"',
        'a"b',
        "a,b",
        "a\nb",
        "a\r\nb",
        " x ",
        "NULL",
        "\ufeffx",
        "ä🎉",
        "\\N",
        "'",
        "=1+1",
        "\x00",
        "x" * 70_000,
    ]
    text = "".join(f'{n},"{value.replace(chr(34), chr(34) * 2)}"\n' for n, value in enumerate(values))
    (folder / "a.csv").write_bytes(b"\xef\xbb\xbf" + f"id,v\n{text}".encode())
    _, rows = read(end(folder), "a.csv")
    assert [row[1] for row in rows] == values


def test_options_say_what_the_file_looks_like(folder: Path) -> None:
    (folder / "a.csv").write_bytes("1;é;-\n2;'x';\"-\"\n".encode("windows-1252"))
    options = {"csv_delimiter": ";", "csv_header": False, "csv_encoding": "windows-1252", "csv_null": "-"}
    assert read(end(folder, **options), "a.csv") == (
        {"c1": "string", "c2": "string", "c3": "string"},
        [("1", "é", None), ("2", "'x'", "-")],
    )
    (folder / "b.tsv").write_text('a\tb\n1\t"x\n')
    assert read(end(folder, csv_quoted=False), "b.tsv")[1] == [("1", '"x')]
    (folder / "c.csv").write_bytes("a,b\n1,é\n".encode("utf-16"))
    assert read(end(folder, csv_encoding="utf-16"), "c.csv")[1] == [("1", "é")]


def test_a_column_alone_tells_null_from_nothing(folder: Path) -> None:
    (folder / "a.csv").write_text('v\n1\n\n""\n')
    assert read(end(folder), "a.csv")[1] == [("1",), (None,), ("",)]


def test_a_ragged_row_is_named_or_left_out_with_its_number(folder: Path) -> None:
    (folder / "a.csv").write_text("id,v\n1,a\n2\n3,c\n4,d,e\n5,f\n")
    refused(end(folder), "a.csv", Rejected, "a.csv, row 2", "has 1 values where the first row has 2")
    rejects: list[Reject] = []
    assert read(end(folder), "a.csv", rejects)[1] == [("1", "a"), ("3", "c"), ("5", "f")]
    assert [(one.row, one.content) for one in rejects] == [(2, "2"), (4, "4,d,e")]


def test_a_value_that_is_no_longer_of_its_inferred_type_is_left_out_and_told(folder: Path) -> None:
    """The file grows between the look that inferred the types and the read: that is noticed before any value."""
    (folder / "a.csv").write_text("id,v\n1,1\n")
    place = end(folder, csv_types="infer")
    source = place.connector.open_source()
    selection = Selection("a.csv")
    table = source.describe(selection)
    source.begin(selection)
    (folder / "a.csv").write_text("id,v\n1,1\n2,x\n")
    rows = source.read(selection, table, ARROW)
    with pytest.raises(Unreachable, match="exchanged"):
        list(rows.batches())
    rows.close()
    source.close()


@pytest.mark.parametrize(
    ("name", "data", "facts"),
    [
        ("a.csv", b"id,v\n1,\xe9\n", ("byte 7", "0xE9", "csv_encoding")),
        ("a.csv", "id,v\n1,é\n".encode("utf-16"), ("NUL bytes", "utf-16")),
        ("a.csv", b"id,id\n1,2\n", ("two columns named 'id'",)),
        ("a.csv", b"id,\n1,2\n", ("Column 2", "no name")),
        ("a.csv", b"", ("has no columns", "empty")),
        ("a.csv", b'id,v\n1,"a\n2,b\n', ("ends inside a quoted value",)),
        ("a.csv.gz", gzip.compress(b"id,v\n" + b"1,2\n" * 5000, mtime=0)[:-20], ("cut off", "a.csv.gz")),
        ("a.csv.gz", b"id,v\n1,2\n", ("cannot be read",)),
        ("a.jsonl", b'{"a":1}\n{"a":2', ("line 2", "no JSON")),
        ("a.jsonl", b"[1]\n", ("no JSON object",)),
        ("a.jsonl", b'{"a":1}\n{"a":1,"a":2}\n', ("key 'a' twice",)),
        ("a.jsonl", b'{"a":NaN}\n', ("NaN is no JSON number",)),
        ("a.jsonl", b'{"a":"\xe9"}\n', ("byte",)),
        ("a.parquet", b"", ("empty file",)),
        ("a.parquet", b"PAR1 and no more", ("cut off",)),
    ],
)
def test_a_broken_file_is_told_with_its_place(folder: Path, name: str, data: bytes, facts: tuple[str, ...]) -> None:
    (folder / name).write_bytes(data)
    with pytest.raises(Rejected) as raised:
        read(end(folder), name)
    for fact in facts:
        assert fact in f"{raised.value} {raised.value.hint}".replace("row 2", "line 2"), raised.value


def test_a_byte_late_in_the_file_is_named_by_its_row(folder: Path) -> None:
    (folder / "a.csv").write_bytes(b"id,v\n" + b"1,aaaaaaaaaaaaaaaaaa\n" * 100_000 + b"2,\xff\n")
    refused(end(folder), "a.csv", Rejected, "row 100001", "column v", "csv_encoding")


def test_a_truncated_parquet_is_no_end_of_the_table(folder: Path) -> None:
    pq.write_table(pa.table({"a": list(range(10_000))}), folder / "whole.parquet")
    data = (folder / "whole.parquet").read_bytes()
    for cut in (3, 8, 100, len(data) // 2):
        (folder / "a.parquet").write_bytes(data[:-cut])
        refused(end(folder), "a.parquet", Rejected, "a.parquet is cut off")


def test_a_cell_of_a_hundred_megabytes_comes_whole(folder: Path) -> None:
    with (folder / "a.csv").open("wb") as file:
        file.write(b"id,v\n1,a\n2,")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\n3,c\n")
    source = end(folder).connector.open_source()
    selection = Selection("a.csv")
    table = source.describe(selection)
    source.begin(selection)
    rows = source.read(selection, table, ARROW)
    lengths = [len(value.as_py()) for batch in rows.batches() for value in batch.column(1)]
    assert lengths == [1, 100_000_000, 1]
    rows.close()
    source.close()


# JSON Lines


def test_jsonl_keeps_numbers_and_texts_exact(folder: Path) -> None:
    (folder / "a.jsonl").write_text(
        '{"id": 9007199254740993, "price": 1.50, "on": true, "note": "a\\nb", "mixed": 1, '
        '"deep": {"x": [1.10, null]}}\n'
        "\n"
        '{"id": 2, "price": 20, "on": null, "mixed": "two", "deep": null, "late": "x"}\n'
    )
    types, rows = read(end(folder), "a.jsonl")
    assert types == {
        "id": "int64",
        "price": "decimal128(4, 2)",
        "on": "bool",
        "note": "string",
        "mixed": "string (json)",
        "deep": "string (json)",
        "late": "string",
    }
    assert rows == [
        (9007199254740993, decimal.Decimal("1.50"), True, "a\nb", "1", '{"x":[1.10,null]}', None),
        (2, decimal.Decimal(20), None, None, '"two"', None, "x"),
    ]


def test_a_line_that_is_no_row_is_left_out_with_its_number(folder: Path) -> None:
    (folder / "a.jsonl").write_text('{"a": 1}\n{"a": 2\n{"a": 3}\n')
    rejects: list[Reject] = []
    assert read(end(folder), "a.jsonl", rejects)[1] == [(1,), (3,)]
    assert [(one.row, one.content) for one in rejects] == [(2, '{"a": 2')]


# Parquet


def test_parquet_comes_with_its_own_types(folder: Path) -> None:
    when = dt.datetime(2024, 2, 29, 12, 0, 0, 123456)
    columns: dict[str, tuple[pa.DataType, Any, Any]] = {
        "u64": (pa.uint64(), 2**64 - 1, 2**64 - 1),
        "i8": (pa.int8(), -128, -128),
        "wide": (pa.decimal256(60, 10), decimal.Decimal("1.0000000001"), decimal.Decimal("1.0000000001")),
        "ms": (pa.timestamp("ms"), when.replace(microsecond=123000), when.replace(microsecond=123000)),
        "utc": (pa.timestamp("us", "Europe/Berlin"), when.replace(tzinfo=dt.UTC), when.replace(tzinfo=dt.UTC)),
        "old": (pa.timestamp("us"), dt.datetime(1, 1, 1), dt.datetime(1, 1, 1)),
        "day": (pa.date32(), dt.date(9999, 12, 31), dt.date(9999, 12, 31)),
        "time": (pa.time32("ms"), dt.time(23, 59, 59), dt.time(23, 59, 59)),
        "half": (pa.float16(), 1.5, 1.5),
        "word": (pa.dictionary(pa.int32(), pa.string()), "w", "w"),
        "large": (pa.large_string(), "l", "l"),
        "bytes": (pa.binary(3), b"\0\xff\1", b"\0\xff\1"),
        "list": (pa.list_(pa.int64()), [1, None], "[1,null]"),
        "deep": (
            pa.struct([("a", pa.decimal128(4, 2)), ("b", pa.list_(pa.string()))]),
            {"a": decimal.Decimal("1.50"), "b": ["ä"]},
            '{"a":"1.50","b":["ä"]}',
        ),
        "nothing": (pa.null(), None, None),
    }
    arrays = {name: pa.array([value, None], type_) for name, (type_, value, _) in columns.items()}
    pq.write_table(pa.table(arrays), folder / "a.parquet")
    _, rows = read(end(folder), "a.parquet")
    first = dict(zip(columns, rows[0], strict=True))
    assert first == {name: wanted for name, (_, _, wanted) in columns.items()}
    assert rows[1] == (None,) * len(columns)


def test_uuids_of_parquet_are_uuids(folder: Path) -> None:
    value = uuid.UUID("6f9619ff-8b86-d011-b42d-00cf4fc964ff")
    array = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([value.bytes], pa.binary(16)))
    pq.write_table(pa.table({"id": array}), folder / "a.parquet")
    assert read(end(folder), "a.parquet")[1] == [(str(value),)]


def int96(folder: Path, at: Any, **others: Any) -> None:
    table = pa.table({"id": range(len(at)), "at": at, **others})
    pq.write_table(table, folder / "a.parquet", use_deprecated_int96_timestamps=True)


def test_int96_keeps_microseconds_of_every_year(folder: Path) -> None:
    years = [dt.datetime(1, 1, 1, 0, 0, 0, 7), dt.datetime(1677, 9, 21), None, dt.datetime(9999, 12, 31, 23, 59, 59, 1)]
    int96(folder, pa.array(years, pa.timestamp("us")))
    types, rows = read(end(folder), "a.parquet")
    assert types["at"] == "timestamp[us]"
    assert rows == list(enumerate(years))


def test_digits_of_int96_behind_the_microsecond_are_told_and_never_cut(folder: Path) -> None:
    moments = pa.array([0, 1_704_067_200_123_456_789, None, -1, 5_000], pa.timestamp("ns"))
    int96(folder, moments)
    told: list[Reject] = []
    _, rows = read(end(folder), "a.parquet", told)
    assert rows == [(0, dt.datetime(1970, 1, 1)), (2, None), (4, dt.datetime(1970, 1, 1, 0, 0, 0, 5))]
    assert [(one.row, one.column, one.value) for one in told] == [
        (2, "at", "2024-01-01 00:00:00.123456789"),
        (4, "at", "1969-12-31 23:59:59.999999999"),
    ]
    assert json.loads(told[0].content) == {"id": 1, "at": "2024-01-01 00:00:00.123456789"}
    refused(end(folder), "a.parquet", Rejected, "row 2", "column at", "2024-01-01 00:00:00.123456789", "timestamp[us]")


@pytest.mark.parametrize(
    "nested",
    [
        pa.list_(pa.timestamp("ns")),
        pa.struct([("on.e", pa.timestamp("ns")), ("plain", pa.int64())]),
        pa.map_(pa.string(), pa.timestamp("ns")),
    ],
    ids=["list", "struct", "map"],
)
def test_int96_inside_of_something_is_no_exception(folder: Path, nested: pa.DataType) -> None:
    def holding(number: int) -> Any:
        if pa.types.is_list(nested):
            return pa.array([[0, number]], pa.list_(pa.int64())).cast(nested)
        if pa.types.is_map(nested):
            return pa.array([[("k", number)]], pa.map_(pa.string(), pa.int64())).cast(nested)
        leaf = pa.array([number]).cast(pa.timestamp("ns"))
        return pa.StructArray.from_arrays([leaf, pa.array([1])], fields=list(nested))

    int96(folder, pa.concat_arrays([holding(1_000), holding(1_001), pa.nulls(1, nested), holding(3_000)]))
    told: list[Reject] = []
    _, rows = read(end(folder), "a.parquet", told)
    assert [row[0] for row in rows] == [0, 2, 3]
    assert [(one.row, one.column) for one in told] == [(2, "at")]


def test_nanoseconds_stay_nanoseconds(folder: Path) -> None:
    pq.write_table(pa.table({"at": pa.array([1], pa.timestamp("ns"))}), folder / "a.parquet")
    types, _ = read_types(end(folder), "a.parquet")
    assert types == {"at": "timestamp[ns]"}


def read_types(place: End, table: str) -> tuple[dict[str, str], list[pa.RecordBatch]]:
    source = place.connector.open_source()
    selection = Selection(table)
    described = source.describe(selection)
    source.begin(selection)
    batches = list(source.read(selection, described, ARROW).batches())
    source.close()
    assert batches[0].column(0).cast(pa.int64()).to_pylist() == [1]
    return {one.name: one.native for one in described.columns}, batches


def test_memory_does_not_follow_the_size_of_a_row_group(folder: Path) -> None:
    rows = pa.table({"v": ["x" * 1000] * 60_000})
    pq.write_table(rows, folder / "a.parquet", row_group_size=60_000, use_dictionary=False, compression="none")
    source = end(folder).connector.open_source()
    selection = Selection("a.parquet")
    table = source.describe(selection)
    source.begin(selection)
    sizes = [batch.nbytes for batch in source.read(selection, table, ARROW).batches()]
    source.close()
    assert sum(sizes) > 60_000_000 and max(sizes) < 9 << 20


# Names


def test_a_pattern_is_one_table_of_one_shape(folder: Path) -> None:
    (folder / "2024" / "01").mkdir(parents=True)
    (folder / "2024" / "a.csv").write_text("id,v\n1,a\n")
    (folder / "2024" / "01" / "b.csv").write_text("v,id\nb,2\n")
    (folder / "2024" / "_skip.csv").write_text("no\n")
    (folder / "2024" / ".hidden.csv").write_text("no\n")
    (folder / "2024" / "empty.csv").write_text("")
    assert read(end(folder), "2024/*.csv")[1] == [("1", "a")]
    # By name, whatever their order: the first file says in which order they come.
    assert read(end(folder), "2024/**/*.csv") == ({"v": "string", "id": "string"}, [("b", "2"), ("a", "1")])
    assert read(end(folder), "2024")[1] == [("b", "2"), ("a", "1")]
    assert read(end(folder), "2024/[!b].csv")[1] == [("1", "a")]
    (folder / "2024" / "c.csv").write_text("id,w\n1,a\n")
    refused(end(folder), "2024/*.csv", Rejected, "2024/c.csv is shaped differently", "'v' is not there", "'w'")
    pq.write_table(pa.table({"id": [1]}), folder / "one.parquet")
    pq.write_table(pa.table({"id": ["x"]}), folder / "two.parquet")
    refused(end(folder), "*.parquet", Rejected, "two.parquet", "id is string and not int64")


def test_what_is_not_there_is_answered_with_what_looks_alike(folder: Path) -> None:
    (folder / "orders.csv").write_text("id\n1\n")
    refused(end(folder), "order.csv", Missing, 'did you mean "orders.csv"')
    refused(end(folder), "order/*.csv", Missing, "matches no file")
    (folder / "noname").write_text("id\n1\n")
    refused(end(folder), "noname", BadInput, "does not say what format")
    assert read(end(folder, file_format="csv"), "noname")[1] == [("1",)]


@pytest.mark.parametrize(
    "path",
    [
        "../secret.csv",
        "a/../../secret.csv",
        "/etc/passwd",
        "//etc/passwd",
        "~/x.csv",
        "file:///etc/passwd",
        "zip::x.csv",
        "a\0.csv",
        "a\n.csv",
        "..",
        ".",
        "",
        "  ",
        "a\\..\\b.csv",
        "../*.csv",
        "*/../../*.csv",
        "http://127.0.0.1/x.csv",
        "x" * 1001,
    ],
)
def test_no_path_leads_out_of_the_folder(folder: Path, path: str) -> None:
    (folder.parent / "secret.csv").write_text("id\n1\n")
    refused(end(folder), path, BadInput)


def test_links_are_not_followed(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("id\n1\n")
    (folder / "link.csv").symlink_to(outside / "secret.csv")
    (folder / "linked").symlink_to(outside)
    (folder / "real").mkdir()
    (folder / "real" / "deep").symlink_to(outside)
    for path in ("link.csv", "linked/secret.csv", "linked/*.csv", "real/deep/secret.csv"):
        refused(end(folder), path, Refused, "link")
    with pytest.raises(Missing):
        read(end(folder), "**/*.csv")


def test_a_file_exchanged_for_a_link_between_look_and_read_is_not_read(folder: Path) -> None:
    (folder.parent / "secret.csv").write_text("id\nstolen\n")
    (folder / "a.csv").write_text("id\n1\n")
    source = end(folder).connector.open_source()
    selection = Selection("a.csv")
    table = source.describe(selection)
    source.begin(selection)
    (folder / "a.csv").unlink()
    (folder / "a.csv").symlink_to(folder.parent / "secret.csv")
    rows = source.read(selection, table, ARROW)
    with pytest.raises(Refused, match="link"):
        list(rows.batches())
    rows.close()
    source.close()


def test_the_engine_s_own_files_are_not_read_under_any_name(folder: Path) -> None:
    (folder / "encryption.key").write_text("secret")
    os.link(folder / "encryption.key", folder / "innocent.csv")
    place = end(folder, file_format="csv")
    place.forbidden = (folder / "encryption.key",)
    refused(place, "innocent.csv", Refused, "engine's own")
    refused(place, "encryption.key", Refused, "engine's own")


def test_what_is_no_file_is_said_to_be_none(folder: Path) -> None:
    os.mkfifo(folder / "pipe.csv")
    with pytest.raises(EtlError):
        read(end(folder), "pipe.csv")
