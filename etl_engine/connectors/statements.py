"""Whether a text is one query that only reads, as far as reading it tells; the server has the last word."""

import functools
import logging
import re
from typing import Any

from etl_engine.errors import BadInput

# What sqlglot calls the SQL of a kind; a kind that is not here is read as standard SQL.
_DIALECTS = {"postgresql": "postgres", "mysql": "mysql", "sqlite": "sqlite", "duckdb": "duckdb"}
# Beyond this the reading takes longer than a person waits; the server's read-only transaction still holds.
_LONGEST_READ = 200_000
_ONE_SELECT = "Give one SELECT."
_ONLY_READS = "Give one SELECT: a mapping only reads its source."
# As it was written: what sqlglot calls a statement that it does not know is nothing that a person would know either.
_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(\w+)", re.DOTALL)
_NAMES = {"into": "SELECT INTO", "truncatetable": "TRUNCATE"}


def insist_on_a_query(text: str, db_type: str) -> None:
    """BadInput for several statements, for none, and for one that would change something.

    What cannot be read is let through: servers know words that nobody else does, and refuse what they do not.
    """
    if "\0" in text:
        raise BadInput("The query has a NUL character", hint="Remove it.")
    if not text.strip():
        raise BadInput("The query is empty", hint=_ONE_SELECT)
    statements = _read(text, _DIALECTS.get(db_type, "")) if len(text) <= _LONGEST_READ else None
    if statements is None:
        return
    if not statements:
        raise BadInput("The query is empty", hint=_ONE_SELECT)
    if len(statements) > 1:
        raise BadInput(
            f"The query is more than one statement: it has {len(statements)}",
            hint="Give one SELECT, without a semicolon in it.",
        )
    _, writing, queries = _grammar()
    changing = next((node for node in statements[0].walk() if isinstance(node, writing)), None)
    if changing is not None:
        raise BadInput(f"The query changes data: it has {_word(changing)}", hint=_ONLY_READS)
    if not isinstance(statements[0], queries):
        begins = _FIRST_WORD.match(text)
        raise BadInput(f"{begins[1].upper()[:40] if begins else _word(statements[0])} is not a query", hint=_ONE_SELECT)


@functools.cache
def _grammar() -> tuple[Any, tuple[type, ...], tuple[type, ...]]:
    """sqlglot, loaded by the first query; what changes data; what is a query."""
    import sqlglot
    from sqlglot import exp

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it says what it does not know, with the text of the query
    writing = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter, exp.TruncateTable)
    return sqlglot, (*writing, exp.Copy, exp.Into, exp.Grant), (exp.Query, exp.Values, exp.Table, exp.Alias)


def _read(text: str, dialect: str) -> list[Any] | None:
    sqlglot = _grammar()[0]
    try:
        read = sqlglot.parse(text, dialect=dialect or None)
    except (sqlglot.errors.SqlglotError, RecursionError):
        return None
    return [one for one in read if one is not None and one.key != "semicolon"]


def _word(node: Any) -> str:
    named = str(node.this) if node.key == "command" else _NAMES.get(node.key, node.key)
    return named.upper()[:40]
