"""Every value of every type of MariaDB, read, written and read again; judged by the `mariadb` client."""

from typing import Any

import pytest
from copying import Pair
from mysql_copying import Database, PostgresEnd, Road

from etl_engine.connectors.rows import ARROW, Selection
from etl_engine.errors import Rejected

# column: (type, values as SQL). What the server itself can hold.
CORPUS: dict[str, tuple[str, tuple[str, ...]]] = {
    "tiny": ("tinyint", ("-128", "127", "0")),
    "tiny_u": ("tinyint unsigned", ("255", "0")),
    "bool": ("boolean", ("TRUE", "FALSE", "-7")),
    "small": ("smallint", ("-32768", "32767")),
    "small_u": ("smallint unsigned", ("65535",)),
    "medium": ("mediumint", ("-8388608", "8388607")),
    "medium_u": ("mediumint unsigned", ("16777215",)),
    "int_": ("int", ("-2147483648", "2147483647")),
    "int_u": ("int unsigned", ("4294967295",)),
    "big": ("bigint", ("-9223372036854775808", "9223372036854775807", "9007199254740993")),
    "big_u": ("bigint unsigned", ("18446744073709551615", "9223372036854775808")),
    "zerofill": ("int(10) unsigned zerofill", ("7", "4294967295")),
    "dec": ("decimal(10,2)", ("-99999999.99", "0.01", "0", "-0.01", "12345.60")),
    "dec_whole": ("decimal(38,0)", ("99999999999999999999999999999999999999", "-1")),
    "dec_long": (
        "decimal(65,30)",
        (
            "99999999999999999999999999999999999.999999999999999999999999999999",
            "-0.000000000000000000000000000001",
            "1.123456789012345",
        ),
    ),
    "dec_deep": ("decimal(30,30)", ("0.000000000000000000000000000001", "-0.999999999999999999999999999999")),
    "float_": ("float", ("16777216", "16777217", "0.1", "-1.5e-40", "3.402823466e38", "1e-3", "0")),
    "double_": ("double", ("1.7976931348623157e308", "5e-324", "0.1", "1e22", "123456789.12345679", "-2.5e-10", "0")),
    "bit1": ("bit(1)", ("b'0'", "b'1'")),
    "bit9": ("bit(9)", ("b'000000001'", "b'100000000'")),
    "bit64": ("bit(64)", ("0xFFFFFFFFFFFFFFFF", "b'1'", "0x8000000000000001")),
    "year_": ("year", ("1901", "2155", "0")),
    "date_": ("date", ("'0000-00-00'", "'2024-02-29'", "'9999-12-31'", "'0001-01-01'", "'2023-00-10'", "'2024-02-31'")),
    "datetime_": ("datetime", ("'0000-00-00 00:00:00'", "'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'")),
    "datetime3": ("datetime(3)", ("'2024-03-31 02:30:00.120'", "'2024-03-31 02:30:00.000'")),
    "datetime6": (
        "datetime(6)",
        ("'9999-12-31 23:59:59.999999'", "'2024-01-01 00:00:00.000001'", "'0001-01-01 00:00:00.5'"),
    ),
    "stamp": ("timestamp NULL", ("'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'0000-00-00 00:00:00'")),
    "stamp6": ("timestamp(6) NULL", ("'2024-10-27 01:30:00.100000'", "'2038-01-19 03:14:07.999999'")),
    "time_": ("time", ("'-838:59:59'", "'838:59:59'", "'00:00:00'", "'24:00:00'", "'100:00:01'")),
    "time6": ("time(6)", ("'-00:00:00.5'", "'23:59:59.999999'", "'-838:59:59'", "'01:00:00.100'")),
    "char_": ("char(10)", ("'ab'", "''", "'  x'", "'日本語'")),
    "varchar_": (
        "varchar(100)",
        ("'NULL'", "'\\\\N'", "'a\\\\b'", "'trailing  '", "'it''s \"q\"'", "'Ω≈😀'", "'x,y;z\\ta\\nb\\r\\n'"),
    ),
    "latin": ("varchar(50) CHARACTER SET latin1", ("'é€ß'", "'plain'")),
    "utf16_": ("varchar(20) CHARACTER SET utf16", ("'😀ü'",)),
    "binary_coll": ("varchar(20) COLLATE utf8mb4_bin", ("'a'", "'A'", "'a '")),
    "tinytext_": ("tinytext", ("REPEAT('x', 255)", "''")),
    "text_": (
        "text",
        ("REPEAT('ä', 30000)", "CONCAT('nul', CHAR(0), 'sub', CHAR(26), 'bell', CHAR(7))", "'\ufeffbom'"),
    ),
    "mediumtext_": ("mediumtext", ("REPEAT('lang ', 60000)",)),
    "longtext_": ("longtext", ("REPEAT('0123456789', 100000)", "'quote\" and , and newline\\n'")),
    "binary4": ("binary(4)", ("0x00FF00FF", "0x01", "''")),
    "varbinary_": ("varbinary(300)", ("''", "0x00", "0x0A0D1A5C2722", "REPEAT(0xFF, 300)")),
    "tinyblob_": ("tinyblob", ("0xDEADBEEF",)),
    "blob_": ("blob", ("REPEAT(0x00, 65535)", "0x5C4E")),
    "longblob_": ("longblob", ("REPEAT(0x00FF, 400000)",)),
    "enum_": ("enum('a','b''c','x\\\\y','with space','','ü')", ("'a'", "'b''c'", "'x\\\\y'", "''", "'ü'")),
    "set_": ("set('p','q','r s')", ("'p'", "'p,r s'", "''")),
    "json_": ("json", ('\'{"b": 1.0, "a": [1, null]}\'', "'9007199254740993'", "'\"\\\\\\\\u0041\"'", "' [ ] '")),
    "uuid_": ("uuid", ("'6f9619ff-8b86-d011-b42d-00cf4fc964ff'", "'00000000-0000-0000-0000-000000000000'")),
    "inet": ("inet6", ("'::1'", "'2001:db8::ff00:42:8329'")),
    "inet_4": ("inet4", ("'10.0.0.1'",)),
    "geometry_": ("geometry", ("ST_GeomFromText('POINT(1 2)', 4326)", "ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')")),
    "point_": ("point", ("POINT(1.5, -2.5)",)),
}
LAX = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION'"


def fill(database: Database) -> int:
    """One row a value, NULL in all other columns; and a row of NULLs."""
    columns = ", ".join(f"`{name}` {native}" for name, (native, _) in CORPUS.items())
    rows = [("", "")] + [(f", `{name}`", f", {value}") for name, (_, values) in CORPUS.items() for value in values]
    database.sql(
        f"CREATE TABLE corpus (id int PRIMARY KEY, {columns}) ROW_FORMAT=DYNAMIC",
        LAX,
        *(f"INSERT INTO corpus (id{name}) VALUES ({number}{value})" for number, (name, value) in enumerate(rows)),
    )
    return len(rows)


@pytest.mark.parametrize("mode", ["append", "replace", "merge"])
def test_every_value_comes_through_to_another_mariadb(road: Road, mode: str) -> None:
    count = fill(road.source)
    receipt = road.copy("corpus", mode=mode)
    assert (receipt.rows, receipt.lane) == (count, "typed")
    names = ("id", *CORPUS)
    assert road.target.hexadecimal("corpus", names) == road.source.hexadecimal("corpus", names)
    columns = (
        "SELECT column_name, column_type, collation_name, is_nullable FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name = 'corpus' ORDER BY ordinal_position"
    )
    assert road.target.sql(columns) == road.source.sql(columns)


def test_every_value_comes_through_where_the_server_takes_no_file(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many rows a statement, in strict mode, where `local_infile` is off."""
    from etl_engine.connectors.mysql.session import Session

    asked = Session.variable
    monkeypatch.setattr(Session, "variable", lambda self, name: "OFF" if name == "local_infile" else asked(self, name))
    count = fill(road.source)
    assert road.copy("corpus").rows == count
    names = ("id", *CORPUS)
    assert road.target.hexadecimal("corpus", names) == road.source.hexadecimal("corpus", names)


def test_what_is_read_is_what_the_client_prints(road: Road) -> None:
    """Texts of the carriers against the client's own, for the types whose text is the value."""
    fill(road.source)
    plain = [
        name for name in CORPUS if not name.startswith(("bit", "binary", "varbinary", "tinyblob", "blob", "longblob"))
    ]
    plain = [name for name in plain if name not in ("float_", "double_", "geometry_", "point_", "zerofill", "year_")]
    source = road.source.connector().open_source()
    selection = Selection("corpus", columns=tuple(plain))
    table = source.describe(selection)
    source.begin(selection)
    batches = list(source.read(selection, table, ARROW).batches())
    source.close()
    for name in plain:
        read = [_text(one, table.column(name)) for batch in batches for one in batch.column(name).to_pylist()]
        hexed = [None if one is None else one.encode().hex().upper() for one in read]
        digits = table.column(name)
        assert digits is not None
        told = road.source.sql(
            f"SELECT HEX(CONVERT(CAST({_trimmed(name)} AS CHAR) USING utf8mb4)) FROM corpus ORDER BY id"
        )
        assert sorted(map(str, hexed)) == sorted(line.replace("NULL", "None") for line in told.split("\n")), name


def _text(value: Any, column: Any) -> str | None:
    if value is None:
        return None
    text = f"{value:f}" if column.type.family.value == "decimal" else str(value)
    return text.removesuffix("+00") if column.type.zoned else text


def _trimmed(name: str) -> str:
    """The house writes no zeros at the end of a fraction of a second."""
    if name in ("datetime3", "datetime6", "stamp6", "time6"):
        return f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM `{name}`))"
    return f"`{name}`"


def test_values_come_through_to_postgresql_and_back(road: Road, pair: Pair) -> None:
    """What PostgreSQL has a place for: no zero dates, no NUL, no years before 1."""
    fill(road.source)
    road.source.sql(
        "DELETE FROM corpus WHERE CAST(date_ AS CHAR) IN ('0000-00-00', '2023-00-10', '2024-02-31') "
        "OR datetime_ = 0 OR stamp = 0 OR text_ LIKE CONCAT('%', CHAR(0), '%')"
    )
    postgres = PostgresEnd(pair, pair.target)
    there = Road(road.source, postgres).copy("corpus", "corpus")
    back = Road(postgres, road.target).copy("corpus", "corpus", allow_lossy=tuple(CORPUS))
    assert there.rows == back.rows == int(road.source.sql("SELECT COUNT(*) FROM corpus")) > 100
    # A type of the server that PostgreSQL has not got comes back as its text.
    texts = ("enum_", "set_", "json_", "inet", "inet_4", "uuid_")
    same = tuple(name for name in CORPUS if name not in ("geometry_", "point_", "zerofill", *texts))
    for name in ("id", *same):
        kind = f"CAST(`{name}` * 1E0 AS CHAR)" if name == "float_" else f"`{name}`"
        if name in ("time_", "time6", "char_"):
            continue
        query = f"SELECT id, HEX({kind}) FROM corpus ORDER BY id"
        if CORPUS.get(name, ("",))[0].endswith("latin1") or name == "utf16_":
            query = f"SELECT id, HEX(CONVERT(`{name}` USING utf8mb4)) FROM corpus ORDER BY id"
        assert road.target.sql(query) == road.source.sql(query), name
    for name in texts:
        query = f"SELECT id, HEX(CONVERT(CAST(`{name}` AS CHAR) USING utf8mb4)) FROM corpus ORDER BY id"
        assert road.target.sql(query) == road.source.sql(query), name
    told = pair.t("SELECT id, time_, time6 FROM corpus WHERE time_ IS NOT NULL OR time6 IS NOT NULL ORDER BY id")
    assert "-838:59:59|" in told and "|-00:00:00.5" in told and "|23:59:59.999999" in told


@pytest.mark.parametrize("value", ["'0000-00-00'", "'2024-00-10'", "'2024-02-31'"])
def test_a_date_that_no_calendar_has_stops_the_copy_to_postgresql(road: Road, pair: Pair, value: str) -> None:
    road.source.sql(
        "CREATE TABLE t (id int PRIMARY KEY, d date)", LAX, f"INSERT INTO t VALUES (1, '2024-01-01'), (2, {value})"
    )
    with pytest.raises(Rejected, match="column d"):
        Road(road.source, PostgresEnd(pair, pair.target)).copy("t", "t")
    assert pair.t("SELECT to_regclass('t') IS NULL") == "t"


@pytest.mark.parametrize("mode", ["append", "merge", "replace"])
def test_dates_that_no_calendar_has_are_kept_apart_in_every_mode(road: Road, pair: Pair, mode: str) -> None:
    road.source.sql(
        "CREATE TABLE t (id int PRIMARY KEY, d date, at datetime)",
        LAX,
        "INSERT INTO t VALUES (1, '2024-02-29', '2024-02-29 10:00:00'), (2, '2024-02-31', NULL), "
        "(3, NULL, '2023-02-29 10:00:00'), (4, '2023-12-31', NULL)",
    )
    pair.t("CREATE TABLE t (id int PRIMARY KEY, d date, at timestamp)")
    receipt = Road(road.source, PostgresEnd(pair, pair.target)).copy("t", "t", mode=mode, on_reject="quarantine")
    assert (receipt.rows, receipt.rejected) == (4, 2)
    assert pair.t("SELECT id, d FROM t ORDER BY id") == "1|2024-02-29\n4|2023-12-31"
    kept = 'SELECT row, "column", value FROM _etl_rejects ORDER BY row'
    assert pair.t(kept) == "2|d|2024-02-31\n3|at|2023-02-29 10:00:00"


def test_text_that_is_no_utf8_is_told_with_its_row(road: Road) -> None:
    """Bytes that came in under a wrong name: the server itself says they are utf8mb4."""
    road.source.sql(
        "CREATE TABLE t (id int PRIMARY KEY, v varbinary(20))",
        "INSERT INTO t VALUES (1, 'fine'), (2, 0xC328), (3, 'fine too')",
        "ALTER TABLE t MODIFY v varchar(20) CHARACTER SET latin1",
        "SET SESSION sql_mode = ''",
    )
    source = road.source.connector().open_source()
    selection = Selection(query="SELECT id, CAST(v AS BINARY) AS v FROM t")
    table = source.describe(selection)
    assert table.columns[1].type.family.value == "bytes"
    source.close()
    assert road.copy("t").rows == 3  # as latin1 they are text, and come as what latin1 makes of them
    road.same("t")


def test_one_column_of_nothing_and_empty_text(road: Road) -> None:
    road.source.sql("CREATE TABLE t (v varchar(5))", "INSERT INTO t VALUES (NULL), (''), ('NULL'), ('x'), ('\"')")
    assert road.copy("t").rows == 5
    road.same("t")


def test_cells_of_every_length_border(road: Road) -> None:
    """Where the packets change the way in which they write lengths, and beyond the longest packet."""
    lengths = [0, 1, 250, 251, 252, 65535, 65536, 16777214, 16777215, 16777216, 20000000]
    road.source.server.sql("SET GLOBAL max_allowed_packet = 67108864")
    road.source.sql("CREATE TABLE t (n int PRIMARY KEY, v longtext, w longblob)")
    for length in lengths:
        road.source.sql(f"INSERT INTO t VALUES ({length}, REPEAT('a', {length}), REPEAT(0x00, {length}))")
    assert road.copy("t").rows == len(lengths)
    query = "SELECT n, LENGTH(v), LENGTH(w), MD5(v), MD5(w) FROM t ORDER BY 1"
    assert road.target.sql(query) == road.source.sql(query)
