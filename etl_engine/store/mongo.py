"""The store in MongoDB, through PyMongo. Ids are ObjectIds there, as is every `*_id` that holds one, and text here."""

import datetime as dt
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pymongo
from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from etl_engine.errors import BadSetting, DuplicateKey, StoreError, StoreUnavailable
from etl_engine.model.collections import Collection, Index
from etl_engine.store.checked import CheckedStore, Clock
from etl_engine.store.contract import Document
from etl_engine.store.documents import apply_changes, value_at
from etl_engine.store.filters import Condition, Filter, Order, parsed
from etl_engine.store.ids import is_id

ANSWER_MILLISECONDS = 3500  # for a whole call, waiting for a server and repeating included
INDEX_SECONDS = 600  # a new index on a large collection takes its time
# Not reachable for now, or not until an operator acts: logins, shutdown, elections, a full disk, time limits.
_TROUBLE = {6, 7, 13, 18, 50, 64, 79, 89, 91, 100, 189, 262, 10107, 11600, 11602, 13435, 13436, 14031}
_DUPLICATE = 11000
# Its DEBUG lines print whole commands.
logging.getLogger("pymongo.command").setLevel(logging.WARNING)

MongoDatabase = Database[Document]


class MongoStore(CheckedStore[MongoDatabase]):
    def __init__(
        self,
        url: str,
        database: str,
        client_class: Callable[..., Any] = pymongo.MongoClient,
        clock: Clock | None = None,
    ) -> None:
        self._url = url
        self._name = database
        self._client_class = client_class
        self._new_client().close()  # checks the URL; nothing connects before the store is opened
        super().__init__(f"MongoDB at {_servers(url)}/{database}", clock)

    def _new_client(self) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # PyMongo leaves out options that it does not understand
                return self._client_class(
                    self._url,
                    connect=False,
                    tz_aware=True,
                    appname="etl-engine",
                    w="majority",
                    journal=True,
                    readPreference="primary",
                    timeoutMS=ANSWER_MILLISECONDS,
                    connectTimeoutMS=2000,
                )
        except (InvalidURI, ConfigurationError, ValueError, TypeError, UserWarning):
            # Without the cause: its message may quote the password.
            raise BadSetting(
                "The MongoDB URL cannot be understood",
                hint="Write it as mongodb://user:password@host:27017/?option=value, with special characters "
                "percent-encoded.",
            ) from None

    def ping(self) -> str:
        with self._in_our_words():
            told = self._opening.get().client.server_info()
        return f"MongoDB {told.get('version', '(does not tell its version)')}"  # some of its relatives do not

    def _connect(self) -> MongoDatabase:
        client = self._new_client()
        database: MongoDatabase = client[self._name]
        try:
            with self._in_our_words():
                for collection in self._collections.values():
                    _create_indexes(database, collection)
        except BaseException:
            client.close()
            raise
        return database

    def _disconnect(self, handle: MongoDatabase) -> None:
        handle.client.close()

    def _server_time(self) -> dt.datetime:
        with self._in_our_words():
            answer = self._opening.get().client.admin.command("hello")
        return cast(dt.datetime, answer["localTime"]).replace(tzinfo=dt.UTC)  # commands answer without a zone

    def _insert(self, collection: Collection, documents: list[Document]) -> None:
        stored = [_to_bson(document) for document in documents]
        target = self._opening.get()[collection.name]
        failed = 0
        with self._in_our_words(collection, lambda: documents[failed]):
            if len(stored) == 1:
                target.insert_one(stored[0])
                return
            try:
                target.insert_many(stored)
            except BulkWriteError as error:
                # All or none without a transaction, which a server that stands alone does not have.
                for failure in (error.details or {}).get("writeErrors", []):
                    failed = failure["index"]
                    target.delete_many({"_id": {"$in": [document["_id"] for document in stored[:failed]]}})
                raise

    def _find(self, collection: Collection, where: Filter, order: Order, limit: int, skip: int) -> list[Document]:
        with self._in_our_words(collection):
            found = self._opening.get()[collection.name].find(_query(where), limit=limit, skip=skip)
            return [_from_bson(document) for document in (found.sort(list(order)) if order else found)]

    def _count(self, collection: Collection, where: Filter) -> int:
        with self._in_our_words(collection):
            return self._opening.get()[collection.name].count_documents(_query(where))

    def _count_by(self, collection: Collection, field: str, where: Filter) -> dict[Any, int]:
        stages = [{"$match": _query(where)}, {"$group": {"_id": f"${field}", "count": {"$sum": 1}}}]
        with self._in_our_words(collection):
            groups = list(self._opening.get()[collection.name].aggregate(stages))
        return {_from_bson(group["_id"]): int(group["count"]) for group in groups}

    def _update_first(
        self, collection: Collection, where: Filter, order: Order, sets: dict[str, Any], increment: dict[str, int]
    ) -> Document | None:
        changes: dict[str, Any] = {}
        if sets:
            changes["$set"] = {path: _to_bson(value, path) for path, value in sets.items()}
        if increment:
            changes["$inc"] = increment

        def wanted() -> Document:
            first = next(iter(self._find(collection, where, order, 1, 0)), {})
            apply_changes(first, sets, increment)
            return first

        with self._in_our_words(collection, wanted):
            changed = self._opening.get()[collection.name].find_one_and_update(
                _query(where), changes, sort=list(order), return_document=pymongo.ReturnDocument.AFTER
            )
        return cast(Document | None, _from_bson(changed))

    def _replace(self, collection: Collection, document: Document) -> bool:
        stored = _to_bson(document)
        with self._in_our_words(collection, lambda: document):
            done = self._opening.get()[collection.name].replace_one({"_id": stored["_id"]}, stored)
        return done.matched_count == 1

    def _delete(self, collection: Collection, where: Filter) -> int:
        with self._in_our_words(collection):
            return self._opening.get()[collection.name].delete_many(_query(where)).deleted_count

    @contextmanager
    def _in_our_words(
        self, collection: Collection | None = None, wanted: Callable[[], Document] | None = None
    ) -> Iterator[None]:
        """Refusals go without their causes: MongoDB quotes the values. A taken key is in the way of `wanted`."""
        try:
            yield
        except (DuplicateKeyError, BulkWriteError) as error:
            raise self._write_error(dict(error.details or {}), error.code, collection, wanted) from None
        except DocumentTooLarge:
            raise StoreError("The document is larger than 16 MB") from None
        except (ConnectionFailure, ConfigurationError, WriteConcernError) as error:
            raise self._unavailable(type(error).__name__) from error
        except PyMongoError as error:
            code = error.code if isinstance(error, OperationFailure) else None
            if error.timeout or code in _TROUBLE:
                raise self._unavailable(f"error {code}" if code else type(error).__name__) from error
            raise self._refused(code or type(error).__name__) from None

    def _write_error(
        self,
        details: dict[str, Any],
        code: int | None,
        collection: Collection | None,
        wanted: Callable[[], Document] | None,
    ) -> StoreError:
        first = next(iter(details.get("writeErrors") or [{"code": code, **details}]))
        if details.get("writeConcernErrors") and not details.get("writeErrors"):
            return self._unavailable("a majority did not confirm the write")
        if first["code"] != _DUPLICATE or collection is None or wanted is None:
            return self._refused(first["code"])
        fields = ",".join(first.get("keyPattern") or self._taken(collection, wanted()))
        return DuplicateKey(f"Another document has the same {fields}", context={"fields": fields})

    def _taken(self, collection: Collection, wanted: Document) -> list[str]:
        """The unique key that is in the way, looked for: MongoDB says it since 4.2, its relatives do not."""
        for index in collection.indexes:
            same = {field: value_at(wanted, field) for field, _ in _keys(index)}
            others = parsed(collection, {**same, "_id": {"$ne": wanted.get("_id")}})
            if index.unique and self._count(collection, others):
                return list(same)
        return ["_id"]

    def _refused(self, reason: object) -> StoreError:
        return StoreError(f"{self.place} refused a command ({reason})")

    def _unavailable(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"{self.place} does not answer: {reason}",
            hint="Start the server, or correct the URL of the metadata store.",
        )


def _servers(url: str) -> str:
    """The hosts in a URL that PyMongo understands, and nothing of its login or options."""
    return url.partition("://")[2].partition("?")[0].partition("/")[0].rpartition("@")[2]


def _create_indexes(database: MongoDatabase, collection: Collection) -> None:
    existing = [
        (list(index["key"]), index.get("unique", False))
        for index in database[collection.name].index_information().values()
    ]
    for index in collection.indexes:
        if (_keys(index), index.unique) not in existing:
            with pymongo.timeout(INDEX_SECONDS):
                database[collection.name].create_index(_keys(index), unique=index.unique)


def _keys(index: Index) -> list[tuple[str, int]]:
    return [(field.lstrip("-"), -1 if field.startswith("-") else 1) for field in index.fields]


def _query(where: Filter) -> dict[str, Any]:
    parts = [_part(condition) for condition in where]
    query: dict[str, Any] = {}
    for part in parts:
        if query.keys() & part.keys():
            return {"$and": parts}
        query |= part
    return query


def _part(condition: Any) -> dict[str, Any]:
    if not isinstance(condition, Condition):
        return {"$or": [_query(branch) for branch in condition.branches]}
    field, value = condition.field, condition.value
    match condition.operator:
        case "$eq":
            return {field: _to_bson(value, field)}
        case "$in":
            return {field: {"$in": [_to_bson(item, field) for item in value]}}
        case "$has":
            return {field: {"$regex": re.escape(value)}}
    return {field: {condition.operator: _to_bson(value, field)}}


def _to_bson(value: Any, path: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _to_bson(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_bson(item) for item in value]
    if path.endswith("_id") and is_id(value):
        return ObjectId(value)
    return value


def _from_bson(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _from_bson(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_bson(item) for item in value]
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC)
    return int(value) if type(value).__name__ == "Int64" else value
