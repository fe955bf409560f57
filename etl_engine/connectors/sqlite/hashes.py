"""Content of a table in a few numbers, read apart from any copy."""

from collections.abc import Sequence

from etl_engine.connectors import arrow_hashes
from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.rows import Fingerprint
from etl_engine.connectors.sqlite.reading import SqliteRows
from etl_engine.connectors.sqlite.session import Session
from etl_engine.model.table import Column


def fingerprint(session: Session, relation: str, columns: Sequence[Column], *, each: bool) -> Fingerprint:
    names = tuple(column.name for column in columns)
    if not names:
        return Fingerprint(int(session.one(f"SELECT count(*) FROM {relation}", doing="reading it again")[0]), {})  # noqa: S608
    chosen = ", ".join(map(double_quoted, names))
    rows = SqliteRows(session, f"SELECT {chosen} FROM {relation}", (), tuple(columns), (), "it again", repeatable=False)  # noqa: S608
    return arrow_hashes.fingerprint(rows.batches(), names, each=each)
