"""Content of a table in a few numbers, computed by the library apart from any copy."""

from collections.abc import Sequence

from etl_engine.connectors.duck.session import Session
from etl_engine.connectors.names import double_quoted
from etl_engine.connectors.rows import WHOLE, Fingerprint
from etl_engine.model.table import Column


def fingerprint(session: Session, relation: str, columns: Sequence[Column], *, each: bool) -> Fingerprint:
    """The sum of hashes of every row's exact texts; with `each`, of every column's. Sums know no order of rows."""
    texts = [f"CAST(CAST({double_quoted(one.name)} AS {one.native}) AS VARCHAR)" for one in columns]
    keys = [one.name for one in columns] if each else [WHOLE]
    hashed = [f"hash({text})" for text in texts] if each else [f"hash([{', '.join(texts)}])" if texts else "hash('')"]
    sums = "".join(f", coalesce(sum(CAST({value} AS HUGEINT)), 0)" for value in hashed)
    row = session.one(f"SELECT count(*){sums} FROM {relation}", doing="reading it again")  # noqa: S608
    return Fingerprint(int(row[0]), {key: int(value) for key, value in zip(keys, row[1:], strict=True)})
