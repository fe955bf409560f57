"""Everything the backends share: checks, ids, pages, upserts and the opening. A backend translates and talks."""

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from etl_engine.errors import DuplicateKey, StoreError
from etl_engine.model.collections import Collection
from etl_engine.store.contract import Document, Sort, Where
from etl_engine.store.documents import checked, checked_changes, cleaned
from etl_engine.store.filters import Filter, Order, behind, ordering, parsed
from etl_engine.store.ids import is_id
from etl_engine.store.opening import Opening

Handle = TypeVar("Handle")
Clock = Callable[[], dt.datetime]
UPSERT_ATTEMPTS = 5  # each lost race means that somebody else just inserted or deleted the document


class CheckedStore(ABC, Generic[Handle]):
    """The port (contract.py) over a handle that is opened once per process."""

    def __init__(self, place: str, clock: Clock | None) -> None:
        self.place = place
        self._clock = clock
        self._collections: dict[str, Collection] = {}
        self._opening = Opening(self._connect)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place})"

    @abstractmethod
    def ping(self) -> str: ...

    @abstractmethod
    def _connect(self) -> Handle: ...

    @abstractmethod
    def _disconnect(self, handle: Handle) -> None: ...

    @abstractmethod
    def _server_time(self) -> dt.datetime: ...

    @abstractmethod
    def _insert(self, collection: Collection, documents: list[Document]) -> None: ...

    @abstractmethod
    def _find(self, collection: Collection, where: Filter, order: Order, limit: int, skip: int) -> list[Document]: ...

    @abstractmethod
    def _count(self, collection: Collection, where: Filter) -> int: ...

    @abstractmethod
    def _count_by(self, collection: Collection, field: str, where: Filter) -> dict[Any, int]: ...

    @abstractmethod
    def _update_first(
        self, collection: Collection, where: Filter, order: Order, sets: dict[str, Any], increment: dict[str, int]
    ) -> Document | None: ...

    @abstractmethod
    def _replace(self, collection: Collection, document: Document) -> bool: ...

    @abstractmethod
    def _delete(self, collection: Collection, where: Filter) -> int: ...

    def open(self, collections: Sequence[Collection]) -> None:
        wanted = {collection.name: collection for collection in collections}
        if wanted != self._collections:
            self.close()
            self._collections = wanted
        self._opening.get()

    def close(self) -> None:
        handle = self._opening.forget()
        if handle is not None:
            self._disconnect(handle)

    def now(self) -> dt.datetime:
        time: dt.datetime = cleaned((self._clock or self._server_time)(), "the store's clock")
        return time

    def insert(self, collection: str, *documents: Document) -> list[Document]:
        declared = self._declared(collection)
        stored = [checked(declared, document) for document in documents]
        if stored:
            self._insert(declared, stored)
        return stored

    def get(self, collection: str, document_id: str) -> Document | None:
        declared = self._declared(collection)
        if not is_id(document_id):
            return None
        return next(iter(self._find(declared, parsed(declared, {"_id": document_id}), (), 1, 0)), None)

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
        declared = self._declared(collection)
        if limit < 0 or skip < 0:
            raise StoreError("limit and skip cannot be negative")
        conditions, order = parsed(declared, where or {}), ordering(declared, sort)
        if after is not None:
            conditions = (*conditions, behind(declared, order, after))
        return self._find(declared, conditions, order, limit, skip)

    def count(self, collection: str, where: Where | None = None) -> int:
        declared = self._declared(collection)
        return self._count(declared, parsed(declared, where or {}))

    def count_by(self, collection: str, field: str, where: Where | None = None) -> dict[Any, int]:
        declared = self._declared(collection)
        if field not in declared.fields:
            raise StoreError(f"{collection}.{field} is not declared")
        return self._count_by(declared, field, parsed(declared, where or {}))

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
        declared = self._declared(collection)
        conditions, order = parsed(declared, where), ordering(declared, sort)
        sets, amounts = checked_changes(declared, changes or {}, increment or {})
        if not sets and not amounts and upsert is None:
            raise StoreError(f"The update of {collection} changes nothing")
        fresh = None if upsert is None else checked(declared, upsert)
        attempts = 0
        while True:
            attempts += 1
            if sets or amounts:
                found = self._update_first(declared, conditions, order, sets, amounts)
            else:
                found = next(iter(self._find(declared, conditions, order, 1, 0)), None)
            if found is not None or fresh is None:
                return found
            try:
                self._insert(declared, [fresh])
            except DuplicateKey:
                if attempts == UPSERT_ATTEMPTS:
                    raise
            else:
                return fresh

    def replace(self, collection: str, document: Document) -> bool:
        declared = self._declared(collection)
        if "_id" not in document:
            raise StoreError(f"The replacement in {collection} has no _id")
        return self._replace(declared, checked(declared, document))

    def delete(self, collection: str, where: Where) -> int:
        declared = self._declared(collection)
        return self._delete(declared, parsed(declared, where))

    def _declared(self, collection: str) -> Collection:
        try:
            return self._collections[collection]
        except KeyError:
            raise StoreError(f"The store is not open for a collection {collection!r}") from None
