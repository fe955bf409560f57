"""Catalogues of refusals, grants, names: what is made of what a server says."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libpq_options import libpq_options

from etl_engine.connectors import guess, names
from etl_engine.connectors.catalogue import mysql, postgresql
from etl_engine.connectors.fault import said
from etl_engine.connectors.libpq import _AMBIENT, settled

FACTS = {
    "user": "etl",
    "database": "shop",
    "where": "10.0.0.1:1",
    "mode": "prefer",
    "sql_user": '"etl"',
    "sql_database": '"shop"',
    "sql_database_pattern": "`shop`",
    "text_user": "'etl'",
    "encryption": "encrypted",
    "hba_type": "hostssl",
    "nearest": "",
    "missing_fix": "CREATE DATABASE shop;",
}


def test_every_entry_of_postgresql_fits_the_facts() -> None:
    for state, mark, entry in postgresql._ENTRIES:
        text = f"FATAL:  {state}: {mark}\nLOCATION:  {mark.split()[0] if mark else 'x'}, x.c:1\n"
        fault = postgresql.explain(text, "", FACTS, "secret")
        assert fault.code == entry.code
        assert "{" not in fault.cause + fault.fix
        assert fault.fix and not fault.cause.endswith(".")


def test_every_entry_of_mysql_fits_the_facts() -> None:
    for number, entry in mysql._ENTRIES.items():
        fault = mysql.explain(number, "Access denied for user 'etl'@'10.0.0.2'", FACTS, "secret")
        assert fault.code == entry.code
        assert "{" not in fault.cause + fault.fix
        assert fault.fix and not fault.cause.endswith(".")


@given(st.text())
def test_braces_in_a_name_stay_braces(name: str) -> None:
    facts = {**FACTS, "user": "{database}{0}" + name, "sql_user": '"{x}"'}
    assert "{database}{0}" in postgresql.explain(":  28P01: x", "", facts, "").cause
    assert "{database}{0}" in mysql.explain(1045, "x", facts, "").cause


def test_libpq_takes_nothing_from_the_environment() -> None:
    """When a newer libpq reads one more variable, this says which option is still open."""
    given_by_us = {"host", "hostaddr", "port", "dbname", "user", "password", "sslmode"}
    ambient = {"PGSERVICE": "service"}
    for option in libpq_options():
        if option.envvar and option.keyword not in {*settled(), *given_by_us}:
            assert option.envvar in _AMBIENT, f"{option.envvar} would set {option.keyword}"
    assert set(ambient) <= set(_AMBIENT)
    assert set(settled()) <= {option.keyword for option in libpq_options()}


GRANTS = [
    "GRANT USAGE ON *.* TO `etl`@`%` IDENTIFIED BY PASSWORD '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19'",
    r"GRANT SELECT, INSERT (`a`, `b`), CREATE ON `my\_shop`.* TO `etl`@`%`",
    "GRANT SELECT ON `other`.`t` TO `etl`@`%`",
    "GRANT SELECT (`a`) ON `other`.`u` TO `etl`@`%`",
    "GRANT ALL PRIVILEGES ON `sales%`.* TO `etl`@`%`",
    "GRANT `reader` TO `etl`@`%`",
    "GRANT PROXY ON ''@'%' TO `etl`@`%`",
]


@pytest.mark.parametrize(
    ("database", "privilege", "has"),
    [
        ("my_shop", "SELECT", True),
        ("myxshop", "SELECT", False),
        ("my_shop", "DROP", False),
        ("sales_2026", "DROP", True),
        ("sale", "DROP", False),
        ("other", "SELECT", False),
    ],
)
def test_grants_are_read_as_the_patterns_they_are(database: str, privilege: str, has: bool) -> None:
    assert mysql.Grants(GRANTS, database).has(privilege) is has


def test_tables_granted_one_by_one_are_counted() -> None:
    assert mysql.Grants(GRANTS, "other").readable_tables == 2
    assert not mysql.Grants(GRANTS, "other").superuser


def test_an_administrator_is_known_by_the_right_to_grant_everything() -> None:
    assert mysql.Grants(["GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION"], "x").superuser
    assert not mysql.Grants(["GRANT SELECT ON *.* TO `etl`@`%`"], "x").superuser
    assert not mysql.Grants(["GRANT ALL PRIVILEGES ON `x`.* TO `etl`@`%` WITH GRANT OPTION"], "x").superuser


@given(st.text(alphabet=string.ascii_letters + "_%\\`'", min_size=1, max_size=12), st.text(max_size=12))
def test_a_database_in_a_grant_means_only_itself(name: str, other: str) -> None:
    written = mysql.database_pattern(name)
    assert mysql._covers(written, name)
    assert mysql._covers(written, other) is (other == name)


def test_what_others_say_is_one_short_line_without_our_secret() -> None:
    assert said("a\n\tb\x1b[31m\u202e c", "") == "a b[31m c"
    assert said("the word is hunter2!", "hunter2") == "the word is ***!"
    assert said("the cat sat at a table", "a") == "the cat sat at *** table"
    assert len(said("x" * 9999, "")) == 200


def test_names_that_look_alike_are_offered() -> None:
    assert names.instead("shpo", ["shop", "SHOP2", "other"]) == '; did you mean "shop", "SHOP2"?'
    assert names.instead("zzz", ["a", "b", "c", "d", "e", "f"]) == '; there is "a", "b", "c", "d", "e" and more'
    assert names.instead("zzz", []) == ""


@given(st.binary(max_size=64))
def test_a_guess_is_a_name_from_the_list_or_nothing(first: bytes) -> None:
    assert isinstance(guess.name_of(first), str)
    assert len(guess.name_of(first)) < 50
