"""The rule of a column: exact, widened or lossy."""

import pytest

from etl_engine.connectors.pg.types import house_type, native_type
from etl_engine.engine.types import fit
from etl_engine.model.copies import Rule

EXACT, WIDENED, LOSSY = Rule.EXACT, Rule.WIDENED, Rule.LOSSY
RULES = [
    ("bigint", "bigint", EXACT),
    ("integer", "bigint", WIDENED),
    ("bigint", "integer", EXACT),  # a value that does not fit stops the copy
    ("bigint", "numeric(19,0)", EXACT),
    ("bigint", "numeric(20,0)", WIDENED),
    ("integer", "double precision", WIDENED),
    ("bigint", "double precision", LOSSY),
    ("smallint", "real", WIDENED),
    ("integer", "real", LOSSY),
    ("numeric(12,2)", "numeric(14,2)", WIDENED),
    ("numeric(12,2)", "numeric(12,3)", EXACT),
    ("numeric(12,2)", "numeric(12,1)", LOSSY),
    ("numeric(12,2)", "numeric", WIDENED),
    ("numeric", "numeric(38,10)", LOSSY),
    ("numeric(10,0)", "bigint", EXACT),
    ("numeric(10,2)", "bigint", LOSSY),
    ("numeric", "double precision", LOSSY),
    ("double precision", "real", LOSSY),
    ("real", "double precision", WIDENED),
    ("character varying(10)", "character varying(20)", WIDENED),
    ("character varying(20)", "character varying(10)", LOSSY),
    ("text", "character varying(10)", LOSSY),
    ("character varying(10)", "text", WIDENED),
    ("character(5)", "text", WIDENED),
    ("text", "character(5)", LOSSY),
    ("character(5)", "character(6)", LOSSY),
    ("citext", "text", WIDENED),
    ("date", "timestamp without time zone", WIDENED),
    ("date", "timestamp with time zone", LOSSY),
    ("timestamp without time zone", "timestamp with time zone", LOSSY),
    ("timestamp(3) with time zone", "timestamp with time zone", WIDENED),
    ("timestamp with time zone", "timestamp(0) with time zone", LOSSY),
    ("timestamp(0) with time zone", "timestamp(0) with time zone", EXACT),
    ("json", "jsonb", LOSSY),
    ("jsonb", "json", WIDENED),
    ("uuid", "text", WIDENED),
    ("text", "uuid", LOSSY),
    ("uuid", "character varying(36)", WIDENED),
    ("bytea", "text", LOSSY),
    ("inet", "inet", EXACT),
    ("inet", "cidr", LOSSY),
    ("inet", "text", WIDENED),
    ("bit(3)", "bit(4)", EXACT),
    ("bit varying(3)", "bit varying", WIDENED),
    ("integer[]", "bigint[]", WIDENED),
    ("bigint[]", "double precision[]", LOSSY),
    ("boolean", "text", WIDENED),
    ("name", "text", WIDENED),
    ("text", "name", LOSSY),
    ("interval", "interval(2)", LOSSY),
    ("interval year to month", "interval", LOSSY),
]


@pytest.mark.parametrize(("source", "target", "rule"), RULES)
def test_a_pair_of_types_has_its_rule(source: str, target: str, rule: Rule) -> None:
    found = fit(house_type(source), house_type(target))
    assert found.rule is rule
    assert bool(found.why) == (source != target)


def test_labels_go_by_name() -> None:
    few, more = house_type("a", ("x",)), house_type("b", ("x", "y"))
    assert fit(few, more).rule is WIDENED
    assert fit(more, few).why == "a value that does not fit stops the copy"


@pytest.mark.parametrize(
    "native", sorted({pair[0] for pair in RULES} - {"citext", "inet", "name", "interval year to month"})
)
def test_a_type_comes_back_from_the_words_of_the_house(native: str) -> None:
    assert native_type(house_type(native)) == native
