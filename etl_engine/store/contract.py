"""The port of the metadata store. `tests/contracts/test_store.py` runs it on every backend.

A document is a dict of JSON values plus aware UTC datetimes (kept to the millisecond) with a string `_id` of 24
hexadecimal digits that sorts by time. What one backend could not keep exactly, none accepts (`documents.py`).

Filters are a small subset of Mongo's: {"field": value}, {"field": {op: value}} with the operators of OPERATORS, and
{"$or": [filter, ...]}. Only declared fields and `_id` can be filtered or sorted, by values of their declared type; text
that no document can hold matches nothing. None is a missing value too, and a missing value sorts first. Text sorts by
its bytes. A field whose name ends in `_id` is a reference: equal or not, without an order.

Every call is atomic for one document; no transaction spans two. Every call may raise StoreUnavailable within 5 s; a
write that raises it may have happened or not. Whatever else is refused is a StoreError, and no message holds a value.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from etl_engine.model.collections import Collection

Document = dict[str, Any]
Where = Mapping[str, Any]
Sort = Sequence[tuple[str, int]]  # (field, 1 or -1); `_id` breaks ties, so that pages never lose or repeat a row

OPERATORS = frozenset({"$in", "$ne", "$lt", "$lte", "$gt", "$gte", "$has"})  # $has: contains, to the letter


class Store(Protocol):
    """Thread-safe; opened once per process, after any fork, never at import."""

    def open(self, collections: Sequence[Collection]) -> None:
        """Create or evolve tables and indexes. Eight processes may do this at once; it may be called again.

        Raises StoreUnavailable while there is no server; the next call of any kind then tries again, open included.
        """

    def close(self) -> None:
        """Give connections back. The store may be opened again."""

    def ping(self) -> str:
        """One round trip; answers the server's name and version, such as "SQLite 3.40.1"."""

    def now(self) -> dt.datetime:
        """The store's own clock, UTC, to the millisecond: leases and schedules are judged by this one."""

    def insert(self, collection: str, *documents: Document) -> list[Document]:
        """Insert all or none, and answer them as stored; `_id` is made where it is missing.

        DuplicateKey names the unique fields in context["fields"], such as "name_key" or "schedule_id,at". MongoDB takes
        back what it inserted before a refusal; a process that dies in that moment leaves it.
        """

    def get(self, collection: str, document_id: str) -> Document | None: ...

    def find(
        self,
        collection: str,
        where: Where | None = None,
        *,
        sort: Sort = (),
        limit: int = 0,
        skip: int = 0,
        after: Document | None = None,
    ) -> list[Document]:
        """Matching documents in order. `limit` 0 is all. `after` continues behind that document of the same sort."""

    def count(self, collection: str, where: Where | None = None) -> int: ...

    def count_by(self, collection: str, field: str, where: Where | None = None) -> dict[Any, int]:
        """How many matching documents have each value of one declared field; missing counts as None."""

    def update(
        self,
        collection: str,
        where: Where,
        changes: Mapping[str, Any] | None = None,
        *,
        increment: Mapping[str, int] | None = None,
        sort: Sort = (),
        upsert: Document | None = None,
    ) -> Document | None:
        """Change the first match atomically and answer it as it is now; None where nothing matched.

        Patch, increment, compare-and-set and claim are all this call. `changes` sets whole fields, and by a dotted path
        declared ones inside an object; `increment` adds to declared counters, which start at 0. So nothing is refused
        only for what the document holds: MongoDB would, and its relatives do something else there. With `upsert`, if
        nothing matches, exactly that document is inserted instead; where its unique key is taken all the same (by a
        document that does not match), DuplicateKey.
        """

    def replace(self, collection: str, document: Document) -> bool:
        """Put the whole document in place of the one with its `_id`; False where there is none."""

    def delete(self, collection: str, where: Where) -> int:
        """Delete every match (by range too, for retention); answers how many."""
