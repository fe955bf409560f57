"""The store in SQLite (the embedded default) or PostgreSQL: one table per collection, through SQLAlchemy Core."""

import datetime as dt
import operator
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from etl_engine.errors import StoreUnavailable
from etl_engine.model.collections import Collection
from etl_engine.store.checked import CheckedStore, Clock
from etl_engine.store.contract import Document
from etl_engine.store.documents import apply_changes, checked
from etl_engine.store.filters import Condition, Filter, Order
from etl_engine.store.queueing import Queue
from etl_engine.store.sql_engines import (
    STATEMENT_SECONDS,
    answered_within,
    for_operator,
    in_our_words,
    place_of,
    postgresql_engine,
    sqlite_engine,
    store_url,
)
from etl_engine.store.sql_tables import create_or_evolve, in_order, read, row_of, table_of

_COMPARE = {"$lt": operator.lt, "$lte": operator.le, "$gt": operator.gt, "$gte": operator.ge}
_CREATION_LOCK = 7_411_001  # of PostgreSQL's advisory locks: who creates or evolves tables


class SqlStore(CheckedStore[sa.Engine]):
    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._url = store_url(url)
        self._dialect = self._url.get_backend_name()
        self._tables: dict[str, sa.Table] = {}
        self._writing = Queue()
        super().__init__(place_of(self._url), clock)

    def ping(self) -> str:
        with self._transaction() as connection:
            if self._dialect == "sqlite":
                if not Path(self._url.database or "").exists():
                    raise StoreUnavailable(f"{self.place} is gone", hint="Restore it from a backup and start again.")
                return f"SQLite {connection.scalar(sa.text('SELECT sqlite_version()'))}"
            return f"PostgreSQL {connection.scalar(sa.text('SHOW server_version'))}"

    def _connect(self) -> sa.Engine:
        metadata = sa.MetaData()
        self._tables = {
            name: table_of(collection, metadata, self._dialect) for name, collection in self._collections.items()
        }
        engine = sqlite_engine(self._url) if self._dialect == "sqlite" else postgresql_engine(self._url)
        try:
            self._prepare(engine)
        except BaseException:
            engine.dispose()
            raise
        return engine

    def _prepare(self, engine: sa.Engine) -> None:
        with (
            in_our_words(self.place, self._tables.values()),
            engine.execution_options(writes=True).begin() as connection,
        ):
            if self._dialect == "postgresql":
                self._queue_in_postgresql(connection)
            create_or_evolve(connection, self._tables.values())

    def _queue_in_postgresql(self, connection: sa.Connection) -> None:
        with answered_within(connection.connection.dbapi_connection, STATEMENT_SECONDS + 0.5):
            encoding = connection.scalar(sa.text("SHOW server_encoding"))
            if encoding != "UTF8":
                raise for_operator(
                    f"{self.place} keeps text as {encoding}, which cannot hold every letter",
                    "Make the database with: CREATE DATABASE etl_engine ENCODING 'UTF8' TEMPLATE template0.",
                )
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATION_LOCK)))
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))  # filling a new column may take longer

    def _disconnect(self, handle: sa.Engine) -> None:
        handle.dispose()

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[sa.Connection]:
        engine = self._opening.get()
        if self._dialect == "sqlite":
            with (
                self._turn(writes) as patience,
                in_our_words(self.place, self._tables.values()),
                engine.connect() as connection,
            ):
                connection.execution_options(writes=writes, patience=patience)
                with connection.begin():
                    yield connection
            return
        options = {} if writes else {"isolation_level": "AUTOCOMMIT"}  # saves a reader two round trips
        with in_our_words(self.place, self._tables.values()), engine.connect() as connection:
            connection.execution_options(**options)
            with (
                answered_within(connection.connection.dbapi_connection, STATEMENT_SECONDS + 0.5),
                connection.begin(),
            ):
                yield connection

    @contextmanager
    def _turn(self, writes: bool) -> Iterator[float]:
        """SQLite has one writer. With this process's threads queuing here, only one of them asks it again and again:
        forty threads that all did took three times the processor for each write. Answers how long to ask for."""
        if not writes:
            yield STATEMENT_SECONDS
            return
        started = time.monotonic()
        if not self._writing.acquire(STATEMENT_SECONDS):
            raise StoreUnavailable(f"{self.place} is busy with other writes", hint="Try again in a moment.")
        try:
            yield max(0.0, STATEMENT_SECONDS - (time.monotonic() - started))
        finally:
            self._writing.release()

    def _server_time(self) -> dt.datetime:
        if self._dialect == "sqlite":
            return dt.datetime.now(dt.UTC)
        with self._transaction() as connection:
            time: dt.datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
            return time

    def _insert(self, collection: Collection, documents: list[Document]) -> None:
        rows = [row_of(collection, document) for document in documents]
        with self._transaction(writes=True) as connection:
            connection.execute(sa.insert(self._tables[collection.name]), rows)

    def _find(self, collection: Collection, where: Filter, order: Order, limit: int, skip: int) -> list[Document]:
        query = self._select(collection, where, order).limit(limit or None).offset(skip or None)
        with self._transaction() as connection:
            return [read(text) for text in connection.scalars(query)]

    def _count(self, collection: Collection, where: Filter) -> int:
        table = self._tables[collection.name]
        query = sa.select(sa.func.count()).select_from(table).where(self._condition(table, where))
        with self._transaction() as connection:
            return int(connection.scalar(query) or 0)

    def _count_by(self, collection: Collection, field: str, where: Filter) -> dict[Any, int]:
        table = self._tables[collection.name]
        column = table.c[field]
        query = sa.select(column, sa.func.count()).where(self._condition(table, where)).group_by(column)
        with self._transaction() as connection:
            return {value: int(count) for value, count in connection.execute(query)}

    def _update_first(
        self, collection: Collection, where: Filter, order: Order, sets: dict[str, Any], increment: dict[str, int]
    ) -> Document | None:
        table = self._tables[collection.name]
        first = self._select(collection, where, order).limit(1)
        with self._transaction(writes=True) as connection:
            # PostgreSQL: claims pass by the rows that others are changing; if nothing else matches, they wait for them.
            text = connection.scalar(first.with_for_update(skip_locked=True))
            if text is None and self._dialect == "postgresql":
                text = connection.scalar(first.with_for_update())
            if text is None:
                return None
            document = read(text)
            apply_changes(document, sets, increment)
            document = checked(collection, document)
            same = table.c["_id"] == document["_id"]
            connection.execute(sa.update(table).where(same).values(row_of(collection, document)))
            return document

    def _replace(self, collection: Collection, document: Document) -> bool:
        table = self._tables[collection.name]
        change = sa.update(table).where(table.c["_id"] == document["_id"]).values(row_of(collection, document))
        with self._transaction(writes=True) as connection:
            return connection.execute(change).rowcount == 1

    def _delete(self, collection: Collection, where: Filter) -> int:
        table = self._tables[collection.name]
        with self._transaction(writes=True) as connection:
            return connection.execute(sa.delete(table).where(self._condition(table, where))).rowcount

    def _select(self, collection: Collection, where: Filter, order: Order) -> sa.Select[str]:
        table = self._tables[collection.name]
        columns = [
            in_order(table.c[field], field if direction > 0 else f"-{field}", self._dialect)
            for field, direction in order
        ]
        return sa.select(table.c["_doc"]).where(self._condition(table, where)).order_by(*columns)

    def _condition(self, table: sa.Table, where: Filter) -> sa.ColumnElement[bool]:
        parts: list[sa.ColumnElement[bool]] = [
            self._test(table.c[part.field], part)
            if isinstance(part, Condition)
            else sa.or_(*(self._condition(table, branch) for branch in part.branches))
            for part in where
        ]
        return sa.and_(sa.true(), *parts)

    def _test(self, column: sa.Column[Any], condition: Condition) -> sa.ColumnElement[bool]:
        value = condition.value
        match condition.operator:
            case "$eq":
                return column.is_(None) if value is None else column == value
            case "$ne":
                return column.is_distinct_from(value)
            case "$in":
                some = column.in_([item for item in value if item is not None])
                return sa.or_(some, column.is_(None)) if None in value else some
            case "$lt" | "$lte" | "$gt" | "$gte":
                compared: sa.ColumnElement[bool] = _COMPARE[condition.operator](column, value)
                return compared
        # To the letter: neither LIKE, which has wildcards and in SQLite ignores case, nor a pattern.
        position = sa.func.instr if self._dialect == "sqlite" else sa.func.strpos
        return position(column, value, type_=sa.Integer) > 0
