"""Content of a table in a few numbers, computed by the server apart from any copy."""

from collections.abc import Sequence

from etl_engine.connectors.catalogue.mysql import back_quoted
from etl_engine.connectors.mysql.refusals import KIND
from etl_engine.connectors.mysql.session import Session
from etl_engine.connectors.mysql.types import as_hex
from etl_engine.connectors.mysql.values import asked
from etl_engine.connectors.rows import WHOLE, Fingerprint
from etl_engine.errors import Rejected
from etl_engine.model.table import Column, Family


def fingerprint(session: Session, relation: str, columns: Sequence[Column], *, each: bool) -> Fingerprint:
    """The sum of md5 over every row's values; with `each`, over every column's. Sums know no order of rows."""
    digests = [f"COALESCE(MD5({_bytes_of(column)}), '-')" for column in columns]
    keys = [column.name for column in columns] if each else [WHOLE]
    hashed = digests if each else [f"MD5(CONCAT({', '.join(digests) or repr('')}))"]
    sums = [f"COALESCE(SUM(CAST(CONV(LEFT(MD5({one}), 15), 16, 10) AS UNSIGNED)), 0)" for one in hashed]
    row = session.one(f"SELECT COUNT(*), {', '.join(sums)} FROM {relation}", doing="reading it again")  # noqa: S608
    warnings = session.rows("SHOW WARNINGS LIMIT 1")
    if warnings:
        raise Rejected(f"The server could not compare all of {relation}: {warnings[0][2]}", kind=KIND)
    return Fingerprint(int(row[0]), {key: int(value) for key, value in zip(keys, row[1:], strict=True)})


def _bytes_of(column: Column) -> str:
    """The same bytes for the same value, whatever type or character set the column has that it is read from."""
    name, type_ = back_quoted(column.name), column.type
    if type_.family is Family.BYTES or as_hex(type_):
        return name
    if type_.family is Family.TEXT:
        return f"CONVERT({name} USING utf8mb4)"
    if type_.family is Family.DECIMAL:
        return f"CAST(CAST({name} AS DECIMAL({type_.precision},{type_.scale or 0})) AS CHAR)"
    if type_.family in (Family.TIMESTAMP, Family.INTERVAL):
        kind = "DATETIME" if type_.family is Family.TIMESTAMP else "TIME"
        return f"CAST(CAST({name} AS {kind}({type_.precision or 0})) AS CHAR)"
    if type_.family in (Family.INTEGER, Family.FLOAT):  # not the zeros of ZEROFILL, not the six digits of FLOAT
        return f"CAST({name} {'+ 0' if type_.family is Family.INTEGER else '* 1E0'} AS CHAR)"
    return f"CAST({asked(column)} AS CHAR)"
