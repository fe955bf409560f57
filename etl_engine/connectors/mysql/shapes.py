"""Tables as they are made."""

from collections.abc import Sequence

from etl_engine.connectors.catalogue.mysql import back_quoted
from etl_engine.connectors.mysql import catalog
from etl_engine.connectors.mysql.names import listed
from etl_engine.connectors.mysql.refusals import KIND
from etl_engine.connectors.mysql.session import Session
from etl_engine.connectors.mysql.types import Dialect, base_of, keyed
from etl_engine.errors import Missing
from etl_engine.model.table import Column, TableName

_ENGINE_S_OWN = "text"  # what columns are called that the engine carries beside the rows


def create_table(
    sql_name: str, columns: Sequence[Column], key: Sequence[str], dialect: Dialect, *, temporary: bool = False
) -> str:
    parts = sum(column.name in key for column in columns)
    lines = []
    for column in columns:
        native = f"longtext collate {dialect.collation}" if column.native == _ENGINE_S_OWN else column.native
        in_key = column.name in key
        if in_key:
            native = keyed(native, parts)
        required = in_key or not (temporary or column.nullable)
        # A time stamp that must have a value gets the current one by itself, also whenever its row changes.
        default = " DEFAULT '1970-01-01 00:00:01'" if required and base_of(native) == "timestamp" and not in_key else ""
        lines.append(f"{back_quoted(column.name)} {native} {f'NOT NULL{default}' if required else 'NULL'}")
    if key:
        lines.append(f"PRIMARY KEY ({listed(key)})")
    inside = ",\n    ".join(lines)
    return f"CREATE {'TEMPORARY ' if temporary else ''}TABLE {sql_name} (\n    {inside}\n) ENGINE=InnoDB"


def add_column(sql_name: str, column: Column) -> str:
    return f"ALTER TABLE {sql_name} ADD COLUMN {definition(column)}"


def definition(column: Column) -> str:
    """Of a column that a table gets later: what stood in it before has no value there."""
    return f"{back_quoted(column.name)} {column.native} NULL"


def described(session: Session, name: TableName) -> tuple[Column, ...]:
    found = catalog.look_up(session, name)
    if found is None:
        raise Missing(f"{name} is gone", kind=KIND, hint="Run the copy again.")
    return catalog.describe(session, found).columns
