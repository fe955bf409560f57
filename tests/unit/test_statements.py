"""Reading SQL before a server does: one statement, and one that only reads."""

import pytest

from etl_engine.connectors.statements import insist_on_a_query
from etl_engine.errors import BadInput


@pytest.mark.parametrize(
    "query",
    [
        "select 1",
        "select 1;",
        "SELECT ';' AS a -- ; and more",
        "select 1; -- the end",
        "(select 1) union all select 2",
        "with a as (select 1) select * from a",
        "values (1), (2)",
        "select * from orders for update",
        "select insert_at, 'delete' as update_of from t",
        "select what no parser knows ((",
        "select 1 " + "+ 1" * 80_000,
    ],
    ids=lambda query: query[:40],
)
def test_one_query_passes_and_what_cannot_be_read_is_left_to_the_server(query: str) -> None:
    insist_on_a_query(query, "postgresql")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "is empty"),
        (" ; ", "is empty"),
        ("-- nothing", "is empty"),
        ("select 1; select 2", "more than one statement: it has 2"),
        ("select 1; drop table orders", "more than one statement"),
        ("insert into a values (1)", "changes data: it has INSERT"),
        ("with gone as (delete from t returning *) select * from gone", "changes data: it has DELETE"),
        ("select * into b from a", "changes data: it has SELECT INTO"),
        ("update a set b = 1", "changes data: it has UPDATE"),
        ("merge into a using b on a.x = b.x when matched then delete", "changes data: it has MERGE"),
        ("create table b as select 1", "changes data: it has CREATE"),
        ("truncate a", "changes data: it has TRUNCATE"),
        ("copy a to stdout", "changes data: it has COPY"),
        ("vacuum", "VACUUM is not a query"),
        ("-- why\n /* not */ selec", "SELEC is not a query"),
        ("call p()", "CALL is not a query"),
        ("set x = 1", "SET is not a query"),
        ("select '\0'", "has a NUL character"),
    ],
)
def test_what_is_no_query_is_named(query: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        insist_on_a_query(query, "postgresql")
    assert refused.value.hint


def test_every_kind_is_read_in_its_own_words() -> None:
    insist_on_a_query("select `a b` from `t`", "mysql")
    with pytest.raises(BadInput, match="REPLACE is not a query"):
        insist_on_a_query("replace into a values (1)", "mysql")
    insist_on_a_query("select anything", "a kind of the future")
