"""Values of PostgreSQL's built-in types through both lanes: the same text afterwards, in columns of the same type."""

import pytest
from copying import Pair
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# Type: its values as SQL literals; NULL goes along with every type.
CORPUS: dict[str, tuple[str, ...]] = {
    "smallint": ("-32768", "-1", "0", "32767"),
    "integer": ("-2147483648", "0", "2147483647"),
    "bigint": ("-9223372036854775808", "-1", "9007199254740993", "9223372036854775807"),
    "numeric": (
        "NaN",
        "Infinity",
        "-Infinity",
        "0",
        "0.0",
        "1e-1000",
        "1e40",
        "123456789012345678901234567890.1234567890123456789",
        "-0.00",
    ),
    "numeric(38,0)": ("99999999999999999999999999999999999999", "-1", "NaN"),
    "numeric(38,38)": ("0.99999999999999999999999999999999999999", "-0.00000000000000000000000000000000000001"),
    "numeric(5,2)": ("999.99", "-0.01", "NaN", "1.10"),
    "numeric(3,0)": ("999", "-999"),
    "real": ("NaN", "Infinity", "-Infinity", "-0", "1e-45", "3.4028235e38", "0.1", "16777217"),
    "double precision": (
        "NaN",
        "Infinity",
        "-Infinity",
        "-0",
        "5e-324",
        "1.7976931348623157e308",
        "0.1",
        "0.30000000000000004",
    ),
    "money": ("-92233720368547758.08", "92233720368547758.07", "0.01"),
    "boolean": ("true", "false"),
    "text": (
        "",
        " ",
        "NULL",
        "\\N",
        "\\.",
        "a\tb\nc\rd",
        "back\\slash",
        "'",
        '"',
        "\ufeffBOM",
        "🐘",
        "e\u0301",
        "\u202eRTL",
        "\ufffe",
        "\x01\x7f",
        "a,b",
        "=1+1",
        "  pad  ",
    ),
    "character varying(5)": ("", "abcde", "a    ", "🐘🐘🐘🐘🐘"),
    "character(5)": ("", "a", "abcde", "  a"),
    "character(1)": ("", "x"),
    '"char"': ("a", ""),
    "name": ("x" * 63, 'sel"ect'),
    "bytea": ("\\x", "\\x00", "\\xdeadbeef", "\\x5c2e0a", "\\xff00ff"),
    "date": (
        "0001-01-01",
        "9999-12-31",
        "4713-01-01 BC",
        "5874897-12-31",
        "infinity",
        "-infinity",
        "1900-02-28",
        "2024-02-29",
    ),
    "time": ("00:00:00", "24:00:00", "23:59:59.999999"),
    "time(0) without time zone": ("12:34:56",),
    "time with time zone": ("00:00:00+15:59", "24:00:00-15:59", "12:00:00.000001+00"),
    "timestamp": (
        "0001-01-01 00:00:00",
        "9999-12-31 23:59:59.999999",
        "294276-12-31 23:59:59.999999",
        "4713-01-01 00:00:00 BC",
        "infinity",
        "-infinity",
        "1677-09-21 00:12:43",
        "2262-04-11 23:47:17",
    ),
    "timestamp(3)": ("2024-01-01 00:00:00.123",),
    "timestamptz": (
        "2024-03-31 01:59:59.999999+01",
        "2024-10-27 02:30:00+02",
        "2024-10-27 02:30:00+01",
        "0001-01-01 00:00:00+00",
        "infinity",
        "-infinity",
        "1883-11-18 12:03:58-04:56:02",
        "294276-12-31 23:59:59+00",
    ),
    "interval": ("1 mon", "30 days", "24:00:00", "-1 mon +3 days -04:05:06.000001", "178000000 years", "0"),
    "interval year to month": ("3 years 2 mons",),
    "interval(2)": ("1.23 s",),
    "uuid": ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "json": (
        "null",
        "9007199254740993",
        '{"a":1,"a":2}',
        '{ "b" : 1.0,\n"a":[1e400] }',
        '"\\ud83d\\udc18"',
        "[" * 900 + "]" * 900,
    ),
    "jsonb": ("null", "9007199254740993", '{"b": 1.10, "a": null}', "1e400", '""', "[]"),
    "xml": ("<a/>", "text & <b x='1'/>".replace("&", "&amp;"), "<a>é</a>"),
    "inet": ("10.0.0.1/8", "::1", "2001:db8::/32"),
    "cidr": ("10.0.0.0/8", "::/0"),
    "macaddr": ("08:00:2b:01:02:03",),
    "macaddr8": ("08:00:2b:01:02:03:04:05",),
    "bit(8)": ("10101010",),
    "bit(1)": ("1", "0"),
    "bit varying": ("", "1", "0" * 70),
    "bit varying(3)": ("101", ""),
    "point": ("(1.5,-0)", "(Infinity,NaN)"),
    "line": ("{1,2,3}",),
    "lseg": ("[(0,0),(1,1)]",),
    "box": ("(2,2),(1,1)",),
    "path": ("[(0,0),(1,1)]", "((0,0),(1,1))"),
    "polygon": ("((0,0),(1,1),(1,0))",),
    "circle": ("<(0,0),1.5>",),
    "int4range": ("empty", "[1,5)", "(,)", "[1,)"),
    "numrange": ("(1.10,2]", "[NaN,)"),
    "tstzrange": ('["2024-01-01 00:00:00+00",infinity)',),
    "daterange": ("[-infinity,2024-01-01)",),
    "int8multirange": ("{}", "{[1,3),[5,)}"),
    "tsvector": ("'a':1A 'b''c':2,3", ""),
    "tsquery": ("'a' & !'b' <2> 'c'",),
    "pg_lsn": ("16/B374D848", "0/0"),
    "txid_snapshot": ("10:20:10,14",),
    "pg_snapshot": ("10:20:10,14",),
    "xid8": ("18446744073709551615",),
    "oid": ("4294967295", "0"),
    "tid": ("(4294967295,65535)",),
    "regclass": ("pg_class", "-"),
    "regtype": ("integer", "text[]"),
    "jsonpath": ('$."a"[*]?(@ > 1)',),
    "int4[]": ("{}", "{1,NULL,3}", "{{1,2},{3,4}}", "[0:1]={5,6}"),
    "text[]": ("{}", '{NULL,"NULL","","a,b","q\\"uote","back\\\\slash"," sp "}', '{{"a"},{"b"}}'),
    "numeric(5,2)[]": ("{1.10,NaN}",),
    "bytea[]": ('{"\\\\x00","\\\\xff"}',),
    "timestamptz[]": ('{"2024-01-01 00:00:00+00",infinity}',),
    "jsonb[]": ('{"{\\"a\\": 1}",NULL}',),
    "character(3)[]": ("{a,abc}",),
    "int4range[]": ('{"[1,5)",empty}',),
}
CASES = sum(len(values) + 1 for values in CORPUS.values())
SHAPE = (
    "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
    "WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1"
)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def fill(pair: Pair) -> list[str]:
    """One column for each type; a row for each of its values, and one of NULLs."""
    columns = [f"c{number}" for number in range(len(CORPUS))]
    shape = ", ".join(f"{name} {native}" for name, native in zip(columns, CORPUS, strict=True))
    statements = [f"CREATE TABLE t (id serial PRIMARY KEY, {shape})", "INSERT INTO t DEFAULT VALUES"]
    for name, values in zip(columns, CORPUS.values(), strict=True):
        statements += [f"INSERT INTO t ({name}) VALUES ({quoted(value)})" for value in values]
    pair.s(*statements)
    return columns


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert CASES > 250


@pytest.mark.parametrize("mode", ["append", "replace", "merge"])
def test_every_built_in_type_as_text(pair: Pair, mode: str) -> None:
    """All columns together: some of them have no binary form that travels, so all go as text."""
    columns = fill(pair)
    receipt = pair.copy("t", mode=mode)
    assert receipt.form == "pgcopy-text"
    assert {one.rule.value for one in receipt.columns} == {"exact"}
    assert pair.t(SHAPE) == pair.s(SHAPE)
    texts = ", ".join(f"coalesce({name}::text, '<null>')" for name in columns)
    query = f"SELECT id, {texts} FROM t ORDER BY id"
    assert pair.t(query) == pair.s(query)


@pytest.mark.parametrize("lane", ["text", "typed"])
def test_every_built_in_type_through_batches(pair: Pair, lane: str) -> None:
    columns = fill(pair)
    receipt = pair.copy("t", lane=lane, verify=True)
    assert (receipt.lane, receipt.form) == (lane, {"text": "pg-text-blocks", "typed": "arrow"}[lane])
    assert {one.rule.value for one in receipt.columns} == {"exact"}
    assert receipt.verification and receipt.verification.equal
    assert pair.t(SHAPE) == pair.s(SHAPE)
    for name in columns:
        query = f"SELECT id, coalesce({name}::text, '<null>') FROM t ORDER BY id"
        assert pair.t(query) == pair.s(query)


def test_every_portable_type_in_binary(pair: Pair) -> None:
    columns = [name for name, native in zip(fill(pair), CORPUS, strict=True) if not native.startswith("reg")]
    pair.s(*(f"ALTER TABLE t DROP {name}" for name in {f"c{n}" for n in range(len(CORPUS))} - set(columns)))
    receipt = pair.copy("t", verify=True)
    assert receipt.form == "pgcopy-binary"
    assert receipt.verification and receipt.verification.equal
    assert pair.t(SHAPE) == pair.s(SHAPE)
    texts = ", ".join(f"coalesce({name}::text, '<null>')" for name in columns)
    query = f"SELECT id, {texts} FROM t ORDER BY id"
    assert pair.t(query) == pair.s(query)


@pytest.mark.parametrize("lane", ["relay", "text", "typed"])
def test_a_table_of_one_column_keeps_null_empty_and_text_apart(pair: Pair, lane: str) -> None:
    for native in ("text", "regclass[]", "bytea", '"char"'):
        pair.s(
            f"CREATE TABLE t (c {native})",
            "INSERT INTO t VALUES (NULL), ('{}')" if "[]" in native else "INSERT INTO t VALUES (NULL), (''), ('N')",
        )
        pair.copy("t", lane=lane)
        query = "SELECT coalesce(c::text, '<null>') || '.' FROM t ORDER BY 1"
        assert pair.t(query) == pair.s(query)
        pair.s("DROP TABLE t")
        pair.t("DROP TABLE t")


def test_types_of_users(pair: Pair) -> None:
    for sql in (pair.s, pair.t):
        sql(
            "CREATE SCHEMA kinds",
            "CREATE TYPE kinds.mood AS ENUM ('ok', 'bad''ly')",
            "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
            "CREATE TYPE pair AS (a int, b text)",
        )
    pair.s(
        "CREATE TABLE t (m kinds.mood, d positive, p pair, ms kinds.mood[], ds positive[])",
        "INSERT INTO t VALUES ('bad''ly', 5, '(1,\"x,y\")', '{ok,NULL}', '{1,2}')",
    )
    assert pair.copy("t").form == "pgcopy-text"
    pair.same("t")
    pair.t("DROP TABLE t", "DROP TYPE kinds.mood", "CREATE TYPE kinds.mood AS ENUM ('ok')")
    from etl_engine.errors import Missing

    with pytest.raises(Missing, match="with other labels") as missing:
        pair.copy("t", "t2")
    assert missing.value.hint == "CREATE TYPE kinds.mood AS ENUM ('ok', 'bad''ly');"


def test_a_session_that_is_set_up_otherwise_changes_no_value(pair: Pair) -> None:
    """Rivet: other defaults nulled timestamps and mangled bytea."""
    for database in (pair.source, pair.target):
        for setting in (
            "timezone = 'Asia/Kathmandu'",
            "datestyle = 'German'",
            "bytea_output = 'escape'",
            "intervalstyle = 'sql_standard'",
            "extra_float_digits = -5",
            "search_path = ''",
        ):
            pair.server.sql(f"ALTER DATABASE {database} SET {setting}")
    pair.s(
        "CREATE TABLE public.t (a timestamptz, b date, c bytea, d interval, e float8, f regtype)",
        "INSERT INTO public.t VALUES ('2024-02-03 04:05:06.7+00', '2024-02-03', '\\x5c00ff', '-1 mon 2 days', "
        "0.1::float8 + 0.2, 'int')",
    )
    pair.copy("public.t", query="", verify=True)
    query = "SELECT a, b, encode(c, 'hex'), d, e, f FROM public.t"
    assert pair.t(query) == pair.s(query)


def test_a_query_keeps_the_types_it_answers(pair: Pair) -> None:
    pair.s(
        "CREATE TABLE s (a numeric(7,3), b varchar(9), c char(4), d bit(3), e timestamptz(2))",
        "INSERT INTO s VALUES (1.5, 'x', 'y', '101', '2024-01-01')",
    )
    pair.copy(query="SELECT *, count(*) OVER () AS n FROM s", target="t")
    assert pair.t(SHAPE).splitlines() == [
        "a|numeric(7,3)",
        "b|character varying(9)",
        "c|character(4)",
        "d|bit(3)",
        "e|timestamp with time zone",
        "n|bigint",
    ]


@pytest.mark.parametrize("lane", ["relay", "text", "typed"])
def test_a_cell_of_many_megabytes(pair: Pair, lane: str) -> None:
    pair.s(
        "CREATE TABLE t (a text, b bytea)",
        "INSERT INTO t SELECT repeat(E'x\\ny\\\\', 3000000), decode(repeat('00ff5c', 3000000), 'hex')",
    )
    pair.copy("t", lane=lane)
    query = "SELECT md5(a), md5(b), length(a), length(b) FROM t"
    assert pair.t(query) == pair.s(query)


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)
ROWS = st.lists(
    st.tuples(
        st.none() | TEXTS,
        st.none() | st.binary(max_size=30),
        st.none() | st.floats(allow_nan=True),
        st.none() | st.decimals(allow_nan=True, allow_infinity=False),
        st.none() | st.datetimes(),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_any_rows(pair: Pair, rows: list[tuple[object, ...]]) -> None:
    import psycopg2

    server = pair.server
    connection = psycopg2.connect(
        host=server.host, port=server.port, user=server.user, password=server.password, dbname=pair.source
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "DROP TABLE IF EXISTS t; CREATE TABLE t (i int, a text, b bytea, c float8, d numeric, e timestamp)"
        )
        for number, row in enumerate(rows):
            cursor.execute("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s)", (number, *row))
    connection.close()
    query = "SELECT i, a, b, c, d, e FROM t ORDER BY i"
    pair.copy("t", mode="replace")
    assert pair.t(query) == pair.s(query)
    pair.t("DROP TABLE t", "CREATE TABLE t (i bigint, a text, b bytea, c float8, d numeric, e timestamp)")
    for lane in ("auto", "text", "typed"):  # by itself as text: one column is wider
        pair.copy("t", mode="replace", lane=lane)
        assert pair.t(query) == pair.s(query)
