"""Tables of documents: `_id`, the document as JSON text, and one column per declared field, filled by this process."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator, TypeEngine

from etl_engine.errors import StoreError
from etl_engine.faultpoints import faultpoint
from etl_engine.model.collections import Collection, Index
from etl_engine.store.contract import Document
from etl_engine.store.documents import LARGEST, fits, value_at

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND = dt.timedelta(milliseconds=1)
REFILL = 500  # documents read at once when a field is declared later


class Milliseconds(TypeDecorator[dt.datetime]):
    """Time as milliseconds since 1970: exact, and the same order everywhere."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // MILLISECOND

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> dt.datetime | None:
        return None if value is None else EPOCH + value * MILLISECOND


# Byte order, as SQLite and MongoDB sort; PostgreSQL would follow the locale.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
COLUMN_TYPES: dict[type, TypeEngine[Any]] = {
    str: TEXT,
    int: sa.BigInteger(),
    float: sa.Double(),
    bool: sa.Boolean(),
    dt.datetime: Milliseconds(),
}


def written(document: Document) -> str:
    """The document as JSON text; times are {"$date": milliseconds}, which no document can hold of its own."""
    text = json.dumps(document, separators=(",", ":"), default=lambda time: {"$date": (time - EPOCH) // MILLISECOND})
    if len(text) > LARGEST:
        raise StoreError(f"The document is larger than {LARGEST // 1024**2} MB")
    return text


def read(text: str) -> Document:
    document: Document = json.loads(text, object_hook=_with_times)
    return document


def _with_times(value: dict[str, Any]) -> Any:
    return EPOCH + value["$date"] * MILLISECOND if "$date" in value else value


def shape_of(collection: Collection) -> str:
    """Changes with the declared fields: rows of another shape have columns that are not filled yet."""
    fields = ",".join(sorted(f"{name}:{kind.__name__}" for name, kind in collection.fields.items()))
    return hashlib.sha256(fields.encode()).hexdigest()[:8]


def row_of(collection: Collection, document: Document) -> dict[str, Any]:
    row = {"_id": document["_id"], "_doc": written(document), "_shape": shape_of(collection)}
    return row | columns_of(collection, document)


def columns_of(collection: Collection, document: Document) -> dict[str, Any]:
    values = {field: value_at(document, field) for field in collection.fields}
    return {field: value if fits(collection.fields[field], value) else None for field, value in values.items()}


def table_of(collection: Collection, metadata: sa.MetaData, dialect: str) -> sa.Table:
    table = sa.Table(
        collection.name,
        metadata,
        sa.Column("_id", TEXT, primary_key=True),
        sa.Column("_doc", sa.Text, nullable=False),
        sa.Column("_shape", sa.Text, nullable=False),
        *(sa.Column(field, COLUMN_TYPES[kind]) for field, kind in collection.fields.items()),
        info={"collection": collection},
    )
    for index in collection.indexes:
        columns = [in_order(table.c[field.lstrip("-")], field, dialect) for field in index.fields]
        sa.Index(index_name(collection, index), *columns, unique=index.unique)
    return table


def index_name(collection: Collection, index: Index) -> str:
    return "_".join([collection.name, *(field.lstrip("-") for field in index.fields), "key" if index.unique else "idx"])


def in_order(column: sa.ColumnElement[Any], field: str, dialect: str) -> sa.ColumnElement[Any]:
    """Missing values first, as MongoDB and SQLite sort; PostgreSQL has to be told."""
    ordered = column.desc() if field.startswith("-") else column.asc()
    if dialect != "postgresql" or column.primary_key:
        return ordered
    return ordered.nulls_last() if field.startswith("-") else ordered.nulls_first()


def create_or_evolve(connection: sa.Connection, tables: Iterable[sa.Table]) -> None:
    """In one transaction, so a process that dies half way leaves nothing behind."""
    inspector = sa.inspect(connection)
    for table in tables:
        if not inspector.has_table(table.name):
            table.create(connection)
            continue
        existing = {column["name"] for column in inspector.get_columns(table.name)}
        if "_doc" not in existing:
            raise StoreError(
                f"The database already has a table {table.name} that is not of this product",
                hint="Give the metadata store a database of its own.",
            )
        for column in table.columns:
            if column.name not in existing:
                definition = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
                name = connection.dialect.identifier_preparer.format_table(table)
                connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {definition}")
        _refill(connection, table)
        for index in table.indexes:
            index.create(connection, checkfirst=True)
        faultpoint("store.evolved")


def _refill(connection: sa.Connection, table: sa.Table) -> None:
    collection: Collection = table.info["collection"]
    shape = shape_of(collection)
    stale = sa.select(table.c["_id"], table.c["_doc"]).where(table.c["_shape"] != shape).limit(REFILL)
    change = sa.update(table).where(table.c["_id"] == sa.bindparam("document"))
    while rows := connection.execute(stale).all():
        values = [columns_of(collection, read(text)) | {"_shape": shape, "document": key} for key, text in rows]
        connection.execute(change, values)
