"""What MySQL's words mean: types of its catalogue, queries that are one, refusals with their GRANT."""

from typing import Any

import pytest

from etl_engine.connectors.mysql.one_query import one_query
from etl_engine.connectors.mysql.types import Dialect, house_type, keyed, native_type
from etl_engine.errors import BadInput
from etl_engine.model.table import Family, Type

MARIADB = Dialect(True, (10, 11, 0), "utf8mb4_nopad_bin")
LONG = ("longtext collate utf8mb4_nopad_bin", "longtext collate utf8mb4_0900_bin")
MYSQL = Dialect(False, (8, 4, 0), "utf8mb4_0900_bin")


@pytest.mark.parametrize(
    ("native", "wanted"),
    [
        ("int", Type(Family.INTEGER, size=32)),
        ("int(10) unsigned zerofill", Type(Family.INTEGER, size=32, signed=False)),
        ("mediumint unsigned", Type(Family.INTEGER, size=24, signed=False)),
        ("tinyint(1)", Type(Family.INTEGER, size=8)),
        ("bigint unsigned", Type(Family.INTEGER, size=64, signed=False)),
        ("decimal(65,30)", Type(Family.DECIMAL, precision=65, scale=30, special=False)),
        ("decimal(10,0) unsigned", Type(Family.DECIMAL, precision=10, scale=0, special=False)),
        ("float(7,4) unsigned", Type(Family.FLOAT, size=32, special=False)),
        ("double(10,2)", Type(Family.FLOAT, size=64, special=False)),
        ("double", Type(Family.FLOAT, size=64, special=False)),
        ("year(4)", Type(Family.INTEGER, size=16)),
        ("bit(9)", Type(Family.BITS, size=9, fixed=True)),
        ("date", Type(Family.DATE, special=False, zero=True)),
        ("datetime(3)", Type(Family.TIMESTAMP, precision=3, special=False, zero=True)),
        ("timestamp", Type(Family.TIMESTAMP, precision=0, zoned=True, special=False, zero=True)),
        ("time(6)", Type(Family.INTERVAL, precision=6, name="time")),
        ("char(3) collate utf8mb4_bin", Type(Family.TEXT, size=3, fixed=True)),
        ("varchar(20) collate utf8mb4_0900_ai_ci", Type(Family.TEXT, size=20, folded=True)),
        ("tinytext collate latin1_swedish_ci", Type(Family.TEXT, size=255, folded=True)),
        ("longtext collate utf8mb4_bin", Type(Family.TEXT)),
        ("binary(16)", Type(Family.BYTES, size=16, fixed=True)),
        ("varbinary(300)", Type(Family.BYTES, size=300)),
        ("longblob", Type(Family.BYTES)),
        ("enum('a','b''c','x\\\\y',')','(,') collate x_ci", Type(Family.ENUM, labels=("a", "b'c", "x\\y", ")", "(,"))),
        ("set('p','q') collate utf8mb4_bin", Type(Family.OTHER, name="set('p','q')")),
        ("json", Type(Family.JSON, canonical=True)),
        ("point", Type(Family.OTHER, name="point")),
        ("inet6", Type(Family.OTHER, name="inet6")),
    ],
)
def test_a_type_of_the_catalogue_in_the_words_of_the_house(native: str, wanted: Type) -> None:
    assert house_type(native) == wanted


def test_a_document_of_mariadb_is_kept_as_it_was_written() -> None:
    assert not house_type("json", exact_json=True).canonical


@pytest.mark.parametrize(
    ("type_", "mariadb", "mysql"),
    [
        (Type(Family.BOOLEAN), "tinyint(1)", "tinyint(1)"),
        (Type(Family.INTEGER, size=64, signed=False), "bigint unsigned", "bigint unsigned"),
        (Type(Family.DECIMAL), *LONG),
        (Type(Family.DECIMAL, precision=66, scale=2), *LONG),
        (Type(Family.DECIMAL, precision=38, scale=10), "decimal(38,10)", "decimal(38,10)"),
        (Type(Family.TIMESTAMP, precision=6, zoned=True), "timestamp(6)", "timestamp(6)"),
        (Type(Family.TIMESTAMP, precision=9), *LONG),
        (Type(Family.TEXT, size=20), "varchar(20) collate utf8mb4_nopad_bin", "varchar(20) collate utf8mb4_0900_bin"),
        (Type(Family.UUID), "uuid", "varchar(36) collate ascii_bin"),
        # MySQL's own format of documents would change numbers and white space.
        (Type(Family.JSON), "json", "longtext collate utf8mb4_0900_bin"),
        (Type(Family.BITS, size=5, fixed=True), "bit(5)", "bit(5)"),
        (Type(Family.BITS, size=65, fixed=True), *LONG),
        (
            Type(Family.ENUM, labels=("a'b", "c\\d")),
            "enum('a''b','c\\\\d') collate utf8mb4_nopad_bin",
            "enum('a''b','c\\\\d') collate utf8mb4_0900_bin",
        ),
        # The server takes spaces at the end of a label off.
        (Type(Family.ENUM, labels=("a ",)), *LONG),
    ],
)  # fmt: skip
def test_the_smallest_type_that_holds_every_value(type_: Type, mariadb: str, mysql: str) -> None:
    assert (native_type(type_, MARIADB), native_type(type_, MYSQL)) == (mariadb, mysql)


def test_a_text_without_a_length_has_one_in_a_key() -> None:
    assert native_type(Type(Family.TEXT), MARIADB, key_parts=2) == "varchar(384) collate utf8mb4_nopad_bin"
    assert native_type(Type(Family.BYTES), MARIADB, key_parts=1) == "varbinary(3072)"
    assert keyed("longtext collate utf8mb4_bin", 1) == "varchar(768) collate utf8mb4_bin"
    assert keyed("int(11)", 1) == "int(11)"


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("SELECT 1;", "SELECT 1"),
        (
            'SELECT \';\' AS a, "x;\\"" AS b, `;` FROM t -- end; of it',
            'SELECT \';\' AS a, "x;\\"" AS b, `;` FROM t -- end; of it',
        ),
        ("SELECT 5--1", "SELECT 5--1"),
        ("SELECT 'a\\'; b' # c;", "SELECT 'a\\'; b' # c;"),
        ("SELECT /* ; ) */ (1)", "SELECT   (1)"),
        ("SELECT 'it''s';  ;", "SELECT 'it''s'"),
    ],
)
def test_a_query_that_is_one(query: str, kept: str) -> None:
    assert one_query(query) == kept


@pytest.mark.parametrize(
    "query",
    [
        "", " ; ", "SELECT 1; SELECT 2", "SELECT 1) AS x", "SELECT (1", "SELECT 'a", 'SELECT "a', "SELECT `a",
        "SELECT /* a",
        "SELECT 1 /*! ; DROP TABLE t */", "SELECT 1 /*M! x */", "SELECT 'a\\';'; DROP TABLE t", "SELECT \0",
        "SELECT 1 -- x\n; DELETE FROM t",
    ],
)  # fmt: skip
def test_a_query_that_is_none_or_several(query: str) -> None:
    with pytest.raises(BadInput):
        one_query(query)


@pytest.mark.parametrize(
    ("told", "hint"),
    [
        ("INSERT command denied to user 'u'@'h' for table `d`.`t`", "GRANT INSERT ON `d`.`t` TO 'u'@'%';"),
        ("SELECT, UPDATE command denied to user 'u'@'h' for table 'a''b'",
         "GRANT SELECT, UPDATE ON `shop`.`a''b` TO 'u'@'%';"),
        ("SELECT command denied to user 'u'@'h' for column 'c' in table 't'", "GRANT SELECT ON `shop`.`t` TO 'u'@'%';"),
        ("Access denied for user 'u'@'h' to database 'a_b'", "GRANT ALL ON `a\\_b`.* TO 'u'@'%';"),
    ],
)  # fmt: skip
def test_a_refusal_comes_with_its_grant(told: str, hint: str) -> None:
    from etl_engine.connectors.mysql.refusals import grant

    class Somebody:
        account = "'u'@'%'"
        database = "shop"

    somebody: Any = Somebody()
    assert grant(told, somebody) == hint
