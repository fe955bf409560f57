"""Content of a table in a few numbers, computed by the server apart from any copy."""

from collections.abc import Sequence

from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.pg.session import Session
from etl_engine.connectors.rows import WHOLE, Fingerprint
from etl_engine.model.table import Column


def fingerprint(session: Session, relation: str, columns: Sequence[Column], *, each: bool) -> Fingerprint:
    """The sum of md5 over every row's exact text; with `each`, over every column's. Sums know no order of rows."""
    texts = [f"{double_quoted(column.name)}::{column.native}::text" for column in columns]
    if each:
        hashed = [f"coalesce({text}, E'\\x01')" for text in texts]
        keys = [column.name for column in columns]
    else:
        # Lengths in front: ('ab', 'c') is not ('a', 'bc'), and NULL is not ''.
        parts = [f"coalesce(length({text})::text || ':' || {text}, '-')" for text in texts]
        hashed = [" || ".join(parts) or "''"]
        keys = [WHOLE]
    sums = [f"coalesce(sum(('x' || left(md5({value}), 15))::bit(60)::bigint::numeric), 0)" for value in hashed]
    row = session.one(f"SELECT count(*), {', '.join(sums)} FROM {relation}", doing="reading it again")  # noqa: S608
    return Fingerprint(int(row[0]), {key: int(value) for key, value in zip(keys, row[1:], strict=True)})
