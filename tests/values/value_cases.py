"""The corpus: for every kind its types, what their values mean, and values as its own client writes them.

A column for each type; a row for each value, NULL in all other columns. What a value means says how texts of it are
compared, whichever system wrote them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A column: its type, what it means, its values as literals of its own system."""

    native: str
    meaning: str
    values: tuple[str, ...]


def _quoted(*values: str) -> tuple[str, ...]:
    return tuple("'" + value.replace("'", "''") + "'" for value in values)


_TEXTS = (
    "", " ", "NULL", "null", "\\N", "\\.", "a\tb\nc\rd", "two\r\nlines", "back\\slash", "'", '"', '""', "a,b", "a;b",
    "=1+1", "@x", "  pad  ", "\ufeffBOM", "🐘", "e\u0301", "é", "\u202eRTL", "\ufffe", "\x01\x7f", "0", "007", "1e5",
    "NaN", "true", "2024-01-01", "{}", "日本語", "İıß", "x" * 5000,
)  # fmt: skip

POSTGRESQL: dict[str, Case] = {
    "small": Case("smallint", "integer", ("-32768", "-1", "0", "32767")),
    "whole": Case("integer", "integer", ("-2147483648", "0", "2147483647")),
    "big": Case("bigint", "integer", ("-9223372036854775808", "9007199254740993", "9223372036854775807")),
    "free": Case(
        "numeric",
        "decimal",
        _quoted("NaN", "Infinity", "-Infinity", "0", "0.0", "1e-100", "1e40", "-0.00", "1.10")
        + _quoted("123456789012345678901234567890.1234567890123456789"),
    ),
    "num38": Case("numeric(38,0)", "decimal", ("99999999999999999999999999999999999999", "-1", "'NaN'")),
    "num38_38": Case(
        "numeric(38,38)",
        "decimal",
        ("0.99999999999999999999999999999999999999", "-0.00000000000000000000000000000000000001"),
    ),
    "num60": Case("numeric(60,10)", "decimal", ("-12345678901234567890123456789012345678901234567890.5", "1")),
    "money2": Case("numeric(12,2)", "decimal", ("9999999999.99", "-0.01", "1.10", "0")),
    "num3": Case("numeric(3,0)", "decimal", ("999", "-999")),
    "real4": Case(
        "real", "float32", _quoted("NaN", "Infinity", "-Infinity", "-0", "1e-45", "3.4028235e38", "0.1", "16777217")
    ),
    "real8": Case(
        "double precision",
        "float64",
        _quoted("NaN", "Infinity", "-Infinity", "-0", "5e-324", "1.7976931348623157e308", "0.1", "0.30000000000000004"),
    ),
    "cash": Case("money", "text", _quoted("-92233720368547758.08", "92233720368547758.07", "0.01")),
    "yes": Case("boolean", "boolean", ("true", "false")),
    "note": Case("text", "text", _quoted(*_TEXTS)),
    "short": Case("varchar(5)", "text", _quoted("", "abcde", "a    ", "🐘🐘🐘🐘🐘")),
    "fixed": Case("char(5)", "text", _quoted("", "a", "abcde", "  a")),
    "letter": Case('"char"', "text", _quoted("a", "")),
    "label": Case("name", "text", _quoted("x" * 63, 'sel"ect')),
    "raw": Case("bytea", "bytes", _quoted("\\x", "\\x00", "\\xdeadbeef", "\\x5c2e0a", "\\xff00ff")),
    "day": Case(
        "date",
        "moment",
        _quoted("0001-01-01", "9999-12-31", "4713-01-01 BC", "5874897-12-31", "infinity", "-infinity")
        + _quoted("1900-02-28", "2024-02-29", "1582-10-10", "1969-12-31"),
    ),
    "clock": Case("time", "moment", _quoted("00:00:00", "24:00:00", "23:59:59.999999", "12:34:56.5")),
    "clock0": Case("time(0)", "moment", _quoted("12:34:56")),
    "clockz": Case("timetz", "text", _quoted("00:00:00+15:59", "24:00:00-15:59", "12:00:00.000001+00")),
    "moment": Case(
        "timestamp",
        "moment",
        _quoted("0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "294276-12-31 23:59:59.999999")
        + _quoted("4713-01-01 00:00:00 BC", "infinity", "-infinity", "1677-09-21 00:12:43", "2262-04-11 23:47:17")
        + _quoted("1969-12-31 23:59:59.999999", "2024-03-31 02:30:00"),
    ),
    "moment3": Case("timestamp(3)", "moment", _quoted("2024-01-01 00:00:00.123", "1969-12-31 23:59:59.999")),
    "zoned": Case(
        "timestamptz",
        "moment",
        _quoted("2024-03-31 01:59:59.999999+01", "2024-10-27 02:30:00+02", "2024-10-27 02:30:00+01")
        + _quoted("0001-01-01 00:00:00+00", "infinity", "-infinity", "1883-11-18 12:03:58-04:56:02")
        + _quoted("294276-12-31 23:59:59+00", "2024-01-01 00:00:00+14", "2024-01-01 00:00:00-12"),
    ),
    "span": Case(
        "interval",
        "interval",
        _quoted(
            "1 mon", "30 days", "24:00:00", "-1 mon +3 days -04:05:06.000001", "178000000 years", "0", "1 year 2 mons"
        ),
    ),
    "mark": Case(
        "uuid", "uuid", _quoted("00000000-0000-0000-0000-000000000000", "FFFFFFFF-ffff-ffff-ffff-ffffffffffff")
    ),
    "doc": Case(
        "json",
        "json",
        _quoted(
            "null", "9007199254740993", '{"a":1,"a":2}', '{ "b" : 1.0,\n"a":[1e40] }', '"\\ud83d\\udc18"', "[[[[]]]]"
        )
        + _quoted('"text"', '""', "true", "[]"),
    ),
    "docb": Case("jsonb", "json", _quoted("null", "9007199254740993", '{"b": 1.10, "a": null}', "1e100", '""', "[]")),
    "markup": Case("xml", "text", _quoted("<a/>", "text <b x='1'/>", "<a>é</a>")),
    "address": Case("inet", "text", _quoted("10.0.0.1/8", "::1", "2001:db8::/32")),
    "net": Case("cidr", "text", _quoted("10.0.0.0/8", "::/0")),
    "mac": Case("macaddr", "text", _quoted("08:00:2b:01:02:03")),
    "mac8": Case("macaddr8", "text", _quoted("08:00:2b:01:02:03:04:05")),
    "bit8": Case("bit(8)", "bits", _quoted("10101010", "00000000")),
    "bits": Case("bit varying", "bits", _quoted("", "1", "0" * 70)),
    "spot": Case("point", "text", _quoted("(1.5,-0)", "(Infinity,NaN)")),
    "round": Case("circle", "text", _quoted("<(0,0),1.5>")),
    "ring": Case("polygon", "text", _quoted("((0,0),(1,1),(1,0))")),
    "range4": Case("int4range", "text", _quoted("empty", "[1,5)", "(,)", "[1,)")),
    "rangez": Case("tstzrange", "text", _quoted('["2024-01-01 00:00:00+00",infinity)')),
    "multi": Case("int8multirange", "text", _quoted("{}", "{[1,3),[5,)}")),
    "words": Case("tsvector", "text", _quoted("'a':1A 'b''c':2,3", "")),
    "lsn": Case("pg_lsn", "text", _quoted("16/B374D848", "0/0")),
    "xid": Case("xid8", "text", _quoted("18446744073709551615")),
    "oid_": Case("oid", "text", _quoted("4294967295", "0")),
    "ints": Case("int4[]", "json", _quoted("{}", "{1,NULL,3}", "{{1,2},{3,4}}")),
    "texts": Case("text[]", "json", _quoted("{}", '{NULL,"NULL","","a,b","q\\"uote","back\\\\slash"," sp "}')),
    "nums": Case("numeric(5,2)[]", "json", _quoted("{1.10,2.00}")),
    "flags": Case("boolean[]", "json", _quoted("{t,f,NULL}")),
}

MYSQL: dict[str, Case] = {
    "tiny": Case("tinyint", "integer", ("-128", "127", "0")),
    "tiny_u": Case("tinyint unsigned", "integer", ("255", "0")),
    "yes": Case("tinyint(1)", "integer", ("1", "0", "-7")),
    "small": Case("smallint", "integer", ("-32768", "32767")),
    "small_u": Case("smallint unsigned", "integer", ("65535",)),
    "medium": Case("mediumint", "integer", ("-8388608", "8388607")),
    "medium_u": Case("mediumint unsigned", "integer", ("16777215",)),
    "whole": Case("int", "integer", ("-2147483648", "2147483647")),
    "whole_u": Case("int unsigned", "integer", ("4294967295",)),
    "big": Case("bigint", "integer", ("-9223372036854775808", "9223372036854775807", "9007199254740993")),
    "big_u": Case("bigint unsigned", "integer", ("18446744073709551615", "9223372036854775808", "0")),
    "filled": Case("int(10) unsigned zerofill", "integer", ("7", "4294967295")),
    "money2": Case("decimal(10,2)", "decimal", ("-99999999.99", "0.01", "0", "-0.01", "12345.60")),
    "num38": Case("decimal(38,0)", "decimal", ("99999999999999999999999999999999999999", "-1")),
    "num65": Case(
        "decimal(65,30)",
        "decimal",
        ("99999999999999999999999999999999999.999999999999999999999999999999", "-0.000000000000000000000000000001"),
    ),
    "deep": Case(
        "decimal(30,30)", "decimal", ("0.000000000000000000000000000001", "-0.999999999999999999999999999999")
    ),
    "real4": Case("float", "float32", ("16777216", "16777217", "0.1", "-1.5e-40", "3.402823466e38", "1e-3", "0")),
    "real8": Case("double", "float64", ("1.7976931348623157e308", "5e-324", "0.1", "1e22", "123456789.12345679", "0")),
    "bit1": Case("bit(1)", "bits1", ("b'0'", "b'1'")),
    "bit9": Case("bit(9)", "bits9", ("b'000000001'", "b'100000000'")),
    "bit64": Case("bit(64)", "bits64", ("0xFFFFFFFFFFFFFFFF", "b'1'", "0x8000000000000001")),
    "annum": Case("year", "integer", ("1901", "2155", "0")),
    "day": Case(
        "date",
        "moment",
        _quoted("0000-00-00", "2024-02-29", "9999-12-31", "0001-01-01", "2023-00-10", "2024-02-31", "1582-10-10"),
    ),
    "moment": Case("datetime", "moment", _quoted("0000-00-00 00:00:00", "1000-01-01 00:00:00", "9999-12-31 23:59:59")),
    "moment3": Case("datetime(3)", "moment", _quoted("2024-03-31 02:30:00.120", "2024-03-31 02:30:00.000")),
    "moment6": Case(
        "datetime(6)",
        "moment",
        _quoted("9999-12-31 23:59:59.999999", "2024-01-01 00:00:00.000001", "0001-01-01 00:00:00.5"),
    ),
    "stamp": Case(
        "timestamp NULL", "moment", _quoted("1970-01-01 00:00:01", "2038-01-19 03:14:07", "0000-00-00 00:00:00")
    ),
    "stamp6": Case("timestamp(6) NULL", "moment", _quoted("2024-10-27 01:30:00.100000", "2038-01-19 03:14:07.999999")),
    "span": Case("time", "moment", _quoted("-838:59:59", "838:59:59", "00:00:00", "24:00:00", "100:00:01")),
    "span6": Case("time(6)", "moment", _quoted("-00:00:00.5", "23:59:59.999999", "-838:59:59", "01:00:00.100")),
    "fixed": Case("char(10)", "text", _quoted("ab", "", "  x", "日本語")),
    "short": Case(
        "varchar(100)",
        "text",
        ("'NULL'", "'\\\\N'", "'a\\\\b'", "'trailing  '", "'it''s \"q\"'", "'Ω≈😀'", "'x,y;z\\ta\\nb\\r\\n'", "''"),
    ),
    "latin": Case("varchar(50) CHARACTER SET latin1", "text", _quoted("é€ß", "plain")),
    "wide": Case("varchar(20) CHARACTER SET utf16", "text", _quoted("😀ü")),
    "exactly": Case("varchar(20) COLLATE utf8mb4_bin", "text", _quoted("a", "A", "a ")),
    "note": Case("text", "text", ("REPEAT('ä', 30000)", "CONCAT('nul', CHAR(0), 'sub', CHAR(26))", "'\ufeffbom'")),
    "lengthy": Case("longtext", "text", ("REPEAT('0123456789', 10000)", "'quote\" and , and newline\\n'", "''")),
    "raw4": Case("binary(4)", "bytes", ("0x00FF00FF", "0x01", "''")),
    "raw": Case("varbinary(300)", "bytes", ("''", "0x00", "0x0A0D1A5C2722", "REPEAT(0xFF, 300)")),
    "blob1": Case("blob", "bytes", ("REPEAT(0x00, 65535)", "0x5C4E", "0xDEADBEEF")),
    "choice": Case("enum('a','b''c','x\\\\y','with space','','ü')", "text", ("'a'", "'b''c'", "'x\\\\y'", "''", "'ü'")),
    "labels": Case("set('p','q','r s')", "text", ("'p'", "'p,r s'", "''")),
    "doc": Case(
        "json", "json", ('\'{"b": 1.0, "a": [1, null]}\'', "'9007199254740993'", "'\"\\\\\\\\u0041\"'", "' [ ] '")
    ),
    "mark": Case(
        "uuid", "uuid", _quoted("6f9619ff-8b86-d011-b42d-00cf4fc964ff", "00000000-0000-0000-0000-000000000000")
    ),
    "address6": Case("inet6", "text", _quoted("::1", "2001:db8::ff00:42:8329")),
    "address4": Case("inet4", "text", _quoted("10.0.0.1")),
}

SQLITE: dict[str, Case] = {
    "big": Case("INTEGER", "integer", ("-9223372036854775808", "9223372036854775807", "9007199254740993", "0")),
    "unsigned": Case("UNSIGNED BIG INT", "integer", ("42",)),
    "real8": Case("REAL", "float64", ("0.1", "5e-324", "1.7976931348623157e308", "9e999", "-9e999", "-0.0", "3")),
    "note": Case("TEXT", "text", (*_quoted(*_TEXTS), "'nul' || char(0) || 'x'")),
    "short": Case("VARCHAR(3)", "text", _quoted("longer than it says", "ok")),
    "raw": Case("BLOB", "bytes", ("x''", "x'00'", "x'DEADBEEF'", "x'0A0D1A5C2722'")),
    "yes": Case("BOOLEAN", "boolean", ("1", "0")),
    "money2": Case("DECIMAL(10,2)", "decimal", ("12345678.9", "-0.01", "0", "7")),
    "day": Case("DATE", "moment", _quoted("2024-02-29", "0001-01-01", "9999-12-31")),
    "moment": Case(
        "DATETIME", "moment", _quoted("2024-02-29 23:59:59.999999", "1969-12-31 23:59:59", "0001-01-01 00:00:00")
    ),
    "zoned": Case("TIMESTAMP WITH TIME ZONE", "moment", _quoted("2024-10-27 02:30:00+02", "2024-10-27 02:30:00.5+00")),
    "clock": Case("TIME", "moment", _quoted("00:00:00", "23:59:59.999999")),
    "mark": Case("UUID", "uuid", _quoted("6f9619ff-8b86-d011-b42d-00cf4fc964ff")),
    "doc": Case("JSON TEXT", "json", _quoted('{"b":1.50,"a":[9007199254740993]}', "null", '""', "[]")),
}

DUCKDB: dict[str, Case] = {
    "yes": Case("BOOLEAN", "boolean", ("true", "false")),
    "tiny": Case("TINYINT", "integer", ("-128", "127")),
    "small": Case("SMALLINT", "integer", ("-32768", "32767")),
    "whole": Case("INTEGER", "integer", ("-2147483648", "2147483647")),
    "big": Case("BIGINT", "integer", ("-9223372036854775808", "9223372036854775807", "9007199254740993")),
    "tiny_u": Case("UTINYINT", "integer", ("255", "0")),
    "small_u": Case("USMALLINT", "integer", ("65535",)),
    "whole_u": Case("UINTEGER", "integer", ("4294967295",)),
    "big_u": Case("UBIGINT", "integer", ("18446744073709551615", "0")),
    "huge": Case(
        "HUGEINT",
        "integer",
        ("170141183460469231731687303715884105727", "(-170141183460469231731687303715884105727)", "1"),
    ),
    "huge_u": Case("UHUGEINT", "integer", ("340282366920938463463374607431768211455",)),
    "money2": Case("DECIMAL(12,2)", "decimal", ("9999999999.99", "-0.01", "1.10", "0")),
    "num38": Case("DECIMAL(38,10)", "decimal", ("1234567890123456789012345678.0123456789", "-1", "0.0000000001")),
    "real4": Case("FLOAT", "float32", _quoted("0.1", "nan", "inf", "-inf", "-0.0", "3.4028235e38", "1e-45")),
    "real8": Case(
        "DOUBLE", "float64", _quoted("0.1", "nan", "inf", "-inf", "-0.0", "5e-324", "1.7976931348623157e308")
    ),
    "note": Case("VARCHAR", "text", (*_quoted(*_TEXTS), "'nul' || chr(0) || 'x'")),
    "raw": Case("BLOB", "bytes", ("''::BLOB", r"'\x00\xFF'::BLOB", r"'\x0A\x5C'::BLOB")),
    "day": Case(
        "DATE",
        "moment",
        _quoted("2024-02-29", "0001-01-01", "9999-12-31", "0044-03-15 (BC)", "infinity", "-infinity", "12024-01-01"),
    ),
    "clock": Case("TIME", "moment", _quoted("23:59:59.999999", "00:00:00", "24:00:00")),
    "clockz": Case("TIMETZ", "text", _quoted("12:00:00.5+02:30", "00:00:00+00")),
    "moment": Case(
        "TIMESTAMP",
        "moment",
        _quoted("2024-02-29 23:59:59.5", "0044-03-15 (BC) 10:00:00", "infinity", "-infinity", "290000-01-01 00:00:00")
        + _quoted("1969-12-31 23:59:59.999999", "0001-01-01 00:00:00"),
    ),
    "moment0": Case("TIMESTAMP_S", "moment", _quoted("2024-02-29 23:59:59")),
    "moment3": Case("TIMESTAMP_MS", "moment", _quoted("2024-02-29 23:59:59.12")),
    "moment9": Case(
        "TIMESTAMP_NS", "moment", _quoted("2024-02-29 23:59:59.123456789", "1969-12-31 23:59:59.999999999")
    ),
    "zoned": Case(
        "TIMESTAMPTZ",
        "moment",
        _quoted("2024-02-29 23:59:59.5+01:30", "2024-10-27 02:30:00+02", "infinity", "0001-01-01 00:00:00+00"),
    ),
    "span": Case(
        "INTERVAL", "interval", _quoted("1 year 2 months -3 days 04:05:06.789", "-5 microseconds", "0 seconds")
    ),
    "mark": Case(
        "UUID", "uuid", _quoted("6f9619ff-8b86-d011-b42d-00cf4fc964ff", "00000000-0000-0000-0000-000000000000")
    ),
    "bits": Case("BIT", "bits", _quoted("0101", "1", "0" * 70)),
    "choice": Case("ENUM('it''s', 'b, c')", "text", _quoted("it's", "b, c")),
    "doc": Case("JSON", "json", _quoted('{"a": 1.50, "b": 9007199254740993}', "null", '""', "[]", "1e40")),
    "ints": Case("INTEGER[]", "json", ("[1, NULL, 3]", "[]")),
    "texts": Case("VARCHAR[]", "json", ("['a', 'null', NULL, '']", "['\"', '\\']")),
    "record": Case("STRUCT(a INTEGER, b VARCHAR)", "json", ("{'a': 1, 'b': 'x\"y'}",)),
    "pairs": Case("MAP(VARCHAR, INTEGER)", "json", ("MAP {'k': 1, 'NULL': NULL}",)),
}

# Types of Arrow by the name that `pyarrow.type_for_alias` or the end knows; values as Python writes them.
PARQUET: dict[str, Case] = {
    "yes": Case("bool", "boolean", ("True", "False")),
    "tiny": Case("int8", "integer", ("-128", "127")),
    "tiny_u": Case("uint8", "integer", ("255",)),
    "small": Case("int16", "integer", ("-32768", "32767")),
    "small_u": Case("uint16", "integer", ("65535",)),
    "whole": Case("int32", "integer", ("-2147483648", "2147483647")),
    "whole_u": Case("uint32", "integer", ("4294967295",)),
    "big": Case("int64", "integer", ("-9223372036854775808", "9223372036854775807", "9007199254740993")),
    "big_u": Case("uint64", "integer", ("18446744073709551615", "0")),
    "real2": Case("float16", "float32", ("1.5", "65504.0")),
    "real4": Case(
        "float32", "float32", ("0.1", "float('nan')", "float('inf')", "-0.0", "1e-45", "3.4028234663852886e38")
    ),
    "real8": Case("float64", "float64", ("0.1", "float('nan')", "float('-inf')", "-0.0", "5e-324")),
    "money2": Case("decimal128(12,2)", "decimal", ("Decimal('9999999999.99')", "Decimal('-0.01')", "Decimal('1.10')")),
    "num38": Case("decimal128(38,0)", "decimal", ("Decimal('99999999999999999999999999999999999999')",)),
    "num76": Case("decimal256(76,38)", "decimal", ("Decimal('-12345678901234567890123456789012345678.5')",)),
    "note": Case("string", "text", tuple(repr(one) for one in (*_TEXTS, "nul\0x"))),
    "many": Case("large_string", "text", ("'large'", "''")),
    "dictionary_": Case("dictionary", "text", ("'one'", "'two'")),
    "raw": Case("binary", "bytes", ("b''", "b'\\x00'", "b'\\xde\\xad\\xbe\\xef'")),
    "raw4": Case("fixed", "bytes", ("b'abcd'", "b'\\x00\\x00\\x00\\x00'")),
    "day": Case("date32", "moment", ("dt.date(1, 1, 1)", "dt.date(9999, 12, 31)", "dt.date(1969, 12, 31)")),
    "clock": Case("time64[us]", "moment", ("dt.time(23, 59, 59, 999999)", "dt.time(0)")),
    "clock3": Case("time32[ms]", "moment", ("dt.time(12, 34, 56, 789000)",)),
    "moment": Case(
        "timestamp[us]",
        "moment",
        (
            "dt.datetime(1, 1, 1)",
            "dt.datetime(9999, 12, 31, 23, 59, 59, 999999)",
            "dt.datetime(1969, 12, 31, 23, 59, 59, 1)",
        ),
    ),
    "moment3": Case("timestamp[ms]", "moment", ("dt.datetime(2024, 2, 29, 1, 2, 3, 4000)",)),
    "moment9": Case("timestamp[ns]", "moment", ("1709251199123456789", "-1")),
    "zoned": Case(
        "instant", "moment", ("dt.datetime(2024, 10, 27, 0, 30, tzinfo=dt.UTC)", "dt.datetime(1, 1, 1, tzinfo=dt.UTC)")
    ),
    "ints": Case("list", "json", ("[1, None, 3]", "[]")),
    "record": Case("struct", "json", ("{'a': 1, 'b': 'x\"y'}",)),
}

# Every column is text, and stays what stands there.
CSV: dict[str, Case] = {"note": Case("", "text", (*_TEXTS, *(f"{quote}x{quote}" for quote in "'\"")))}

# Values as JSON writes them.
JSONL: dict[str, Case] = {
    "yes": Case("", "boolean", ("true", "false")),
    "big": Case("", "integer", ("-9223372036854775808", "9223372036854775807", "9007199254740993")),
    "money2": Case("", "decimal", ("1.10", "-0.01", "12345678901234567890.25")),
    "real8": Case("", "float64", ("1e22", "5e-324", "0.1e0", "-1.5E-7")),
    "note": Case(
        "", "text", ('""', '"null"', '"\\u0000nul"', '"\\ud83d\\udc18"', '"a\\nb"', '"é"', '"\\"q\\""', '"007"')
    ),
    "record": Case("", "json", ('{"b":1.50,"a":[9007199254740993,null]}', "{}")),
    "ints": Case("", "json", ("[1,null,3]", "[]")),
}

CORPUS = {
    "postgresql": POSTGRESQL,
    "mysql": MYSQL,
    "sqlite": SQLITE,
    "duckdb": DUCKDB,
    "parquet": PARQUET,
    "csv": CSV,
    "jsonl": JSONL,
}
COUNT = sum(len(case.values) for cases in CORPUS.values() for case in cases.values())


def rows(kind: str) -> list[tuple[int, str, str]]:
    """A number, the column, the literal."""
    flat = [(name, value) for name, case in CORPUS[kind].items() for value in case.values]
    return [(number, name, value) for number, (name, value) in enumerate(flat, start=1)]
