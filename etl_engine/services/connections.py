"""Connections: create, list, get, update, duplicate, delete, restore."""

import contextlib
import datetime as dt
import json
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from etl_engine.connectors.registry import Saved
from etl_engine.errors import BadInput, Conflict, DuplicateKey, Problem, Stale
from etl_engine.model.collections import CONNECTIONS
from etl_engine.model.connection import ConnectionConfig
from etl_engine.model.text import name_key
from etl_engine.services import access, audit
from etl_engine.services.connection_documents import (
    UNTESTED,
    changed_fields,
    opened,
    patched,
    refuse_masks,
    saved,
    sealed_fields,
    stored,
    tested_by_receipt,
)
from etl_engine.services.connection_users import refuse_while_used
from etl_engine.services.context import Context
from etl_engine.store.contract import Document
from etl_engine.store.ids import new_id

UNDO_SECONDS = 120
_ATTEMPTS = 50
_NAME_LENGTH = 120

Status = Literal["success", "failed", "untested"]
SortField = Literal["name", "db_type", "created_at", "updated_at", "last_tested_at", "last_test_status", "last_test_ms"]


@dataclass(frozen=True)
class Query:
    """What a list is asked for. Empty means everything, newest change first."""

    text: str = ""
    db_types: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    sort: SortField = "updated_at"
    descending: bool = True
    limit: int = 0
    offset: int = 0

    def where(self) -> dict[str, Any]:
        where: dict[str, Any] = {}
        if self.text.strip():
            where["search"] = {"$has": self.text.strip().casefold()}
        if self.db_types:
            where["db_type"] = {"$in": list(self.db_types)}
        if self.statuses:
            where["last_test_status"] = {"$in": [None if s == "untested" else s for s in self.statuses]}
        return where


@dataclass(frozen=True)
class Listing:
    """One page, and how many match in all."""

    items: list[Saved]
    total: int


@dataclass(frozen=True)
class Facets:
    """How many connections there are by kind and by status, for filters that show counts."""

    total: int
    db_types: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)


def create(ctx: Context, draft: ConnectionConfig, *, receipt: str = "") -> Saved:
    """Store a connection. With the receipt of a successful test of exactly these values it counts as tested."""
    access.require(ctx, "connection:create")
    refuse_masks(draft)
    vault = ctx.keyring.vault()
    now, document_id = ctx.store.now(), new_id()
    document = {
        "_id": document_id,
        **sealed_fields(vault, draft, document_id),
        "created_at": now,
        "updated_at": now,
        "revision": 1,
        "tests": [],
        **UNTESTED,
        **tested_by_receipt(vault, draft, receipt, []),
    }
    with audit.recorded(ctx, "connection:create", document_id, draft.name):
        return _inserted(ctx, document)


def list_(ctx: Context, query: Query) -> Listing:
    """A page of connections that match."""
    access.require(ctx, "connection:read")
    where = query.where()
    sort = [("name_key" if query.sort == "name" else query.sort, -1 if query.descending else 1)]
    found = ctx.store.find(CONNECTIONS.name, where, sort=sort, limit=query.limit, skip=query.offset)
    whole = not query.limit and not query.offset
    return Listing([saved(one) for one in found], len(found) if whole else ctx.store.count(CONNECTIONS.name, where))


def facets(ctx: Context, text: str = "") -> Facets:
    """Counts by kind and by status of the connections that a search finds."""
    access.require(ctx, "connection:read")
    where = Query(text=text).where()
    by_type = ctx.store.count_by(CONNECTIONS.name, "db_type", where)
    by_status = ctx.store.count_by(CONNECTIONS.name, "last_test_status", where)
    return Facets(sum(by_type.values()), by_type, {status or "untested": n for status, n in by_status.items()})


def get(ctx: Context, connection_id: str) -> Saved:
    """One connection, secrets masked."""
    access.require(ctx, "connection:read")
    return saved(stored(ctx, connection_id))


def update(
    ctx: Context, connection_id: str, patch: Mapping[str, Any], *, revision: int | None = None, receipt: str = ""
) -> Saved:
    """Change the fields of the patch. A change of anything but the name makes the connection untested again.

    With `revision` the change happens only to that revision (Stale otherwise); without it the patch goes on top of
    whatever is stored. A secret that is left out, or sent back as its mask, stays as it is.
    """
    access.require(ctx, "connection:update")
    document, changes, changed = _prepared(ctx, connection_id, patch, revision, receipt)
    if not changes:
        return saved(document)
    with audit.recorded(ctx, "connection:update", connection_id, document["name"], sorted(changed)):
        for _ in _attempts():
            updated = _compared_and_set(ctx, document, changes)
            if updated is not None:
                return saved(updated)
            document, changes, _ = _prepared(ctx, connection_id, patch, revision, receipt)
            if not changes:  # somebody else just made the same change
                return saved(document)
        raise _busy(connection_id)


def duplicate(ctx: Context, connection_id: str) -> Saved:
    """A copy under a free name, secrets included, untested."""
    access.require(ctx, "connection:create")
    document = stored(ctx, connection_id)
    original = patched(opened(ctx.keyring.vault(), document), {})
    for number in range(1, 100):
        suffix = " (copy)" if number == 1 else f" (copy {number})"
        copy = original.model_copy(update={"name": original.name[: _NAME_LENGTH - len(suffix)] + suffix})
        if not ctx.store.count(CONNECTIONS.name, {"name_key": name_key(copy.name)}):
            with contextlib.suppress(Conflict):  # somebody else makes a copy at the same time
                return create(ctx, copy)
    raise Conflict(f"There are too many copies of {original.name}", hint="Rename or delete some of them.")


def delete(ctx: Context, connection_id: str, *, revision: int | None = None) -> str:
    """Remove a connection. Answers an undo token: with it, `restore` brings the connection back for two minutes."""
    access.require(ctx, "connection:delete")
    document = stored(ctx, connection_id)
    _insist_on(document, revision)
    refuse_while_used(ctx, document)
    with audit.recorded(ctx, "connection:delete", connection_id, document["name"]):
        for _ in _attempts():
            # Only what was read is deleted: the token brings back exactly that.
            undo = ctx.keyring.vault().sign({"undo": json.dumps(document, default=_tagged_time)})
            if ctx.store.delete(CONNECTIONS.name, {"_id": connection_id, "revision": document["revision"]}):
                return undo
            document = stored(ctx, connection_id)
            _insist_on(document, revision)
        raise _busy(connection_id)


def restore(ctx: Context, undo: str) -> Saved:
    """Bring a deleted connection back as it was."""
    access.require(ctx, "connection:create")
    claims = ctx.keyring.vault().verify(undo, UNDO_SECONDS) or {}
    if "undo" not in claims:
        raise BadInput("This deletion can no longer be undone", hint="Create the connection again.")
    document = json.loads(claims["undo"], object_hook=_time_of_tag)
    with audit.recorded(ctx, "connection:restore", document["_id"], document["name"]):
        return _inserted(ctx, document)


def _prepared(
    ctx: Context, connection_id: str, patch: Mapping[str, Any], revision: int | None, receipt: str
) -> tuple[Document, dict[str, Any], set[str]]:
    """The document as it is, what the patch writes onto it (nothing, where nothing changes), and the changed fields."""
    document = stored(ctx, connection_id)
    vault = ctx.keyring.vault()
    before = opened(vault, document, replaced=patch)
    after = patched(before, patch)  # first: a patch that is wrong is wrong for every revision
    _insist_on(document, revision)
    changed = changed_fields(before, after)
    if not changed and not receipt:
        return document, {}, changed
    changes: dict[str, Any] = dict.fromkeys(before.keys() - type(after).model_fields.keys())
    changes |= sealed_fields(vault, after, connection_id) | {"updated_at": ctx.store.now()}
    changes |= UNTESTED if changed - {"name"} else {}
    changes |= tested_by_receipt(vault, after, receipt, document["tests"])
    return document, changes, changed


def _insist_on(document: Document, revision: int | None) -> None:
    if revision is not None and document["revision"] != revision:
        raise Stale(
            f"The connection {document['name']} was changed by somebody else since you read it",
            hint="Read it again, and repeat your change on top of it.",
            context={"yours": revision, "stored": document["revision"]},
        )


def _attempts() -> Iterator[None]:
    """Of a compare-and-set. Each lost one means that somebody else's change is stored now; a pause spreads rivals."""
    for attempt in range(_ATTEMPTS):
        yield
        time.sleep(random.uniform(0, min(0.002 * 2**attempt, 0.05)))  # noqa: S311 - guards nothing


def _busy(connection_id: str) -> Conflict:
    return Conflict(f"The connection {connection_id} is being changed by others", hint="Try again in a moment.")


def _inserted(ctx: Context, document: Document) -> Saved:
    try:
        return saved(ctx.store.insert(CONNECTIONS.name, document)[0])
    except DuplicateKey:
        raise _taken(ctx, document["name"]) from None


def _compared_and_set(ctx: Context, document: Document, changes: dict[str, Any]) -> Document | None:
    here = {"_id": document["_id"], "revision": document["revision"]}
    try:
        return ctx.store.update(CONNECTIONS.name, here, changes, increment={"revision": 1})
    except DuplicateKey:
        raise _taken(ctx, changes["name"]) from None


def _taken(ctx: Context, name: str) -> Conflict:
    holders = ctx.store.find(CONNECTIONS.name, {"name_key": name_key(name)}, limit=1)
    holder = f" by the connection {holders[0]['name']!r} ({holders[0]['_id']})" if holders else ""
    fix = "Choose another name; upper and lower case and outer spaces do not count."
    return Conflict(
        f"The name {name!r} is taken{holder}",
        hint=fix,
        context={"field": "name", "connection_id": holders[0]["_id"] if holders else ""},
        problems=(Problem("/name", "taken", f"is taken{holder}", fix),),
    )


def _tagged_time(value: dt.datetime) -> dict[str, str]:
    return {"$time": value.isoformat()}


def _time_of_tag(value: dict[str, Any]) -> Any:
    return dt.datetime.fromisoformat(value["$time"]) if "$time" in value else value
