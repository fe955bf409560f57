"""Names and values as MySQL's SQL wants them."""

from collections.abc import Iterable

from etl_engine.connectors.catalogue.mysql import back_quoted
from etl_engine.model.table import TableName

LONGEST_NAME = 64


def quoted(name: TableName) -> str:
    return ".".join(back_quoted(part) for part in (name.schema, name.name) if part)


def listed(columns: Iterable[str]) -> str:
    return ", ".join(map(back_quoted, columns))


def literal(text: str) -> str:
    """A string of the session's character set; the session is pinned to reading backslashes as escapes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''").replace("\0", "\\0") + "'"
