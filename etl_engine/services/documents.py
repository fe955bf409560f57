"""What the nouns with plain documents share: read, list, insert, compare-and-set, delete, each change audited."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from etl_engine.errors import Conflict, DuplicateKey, NotFound, Problem, Stale
from etl_engine.model.collections import Collection
from etl_engine.model.problems import bad_input
from etl_engine.model.text import name_key
from etl_engine.services import audit
from etl_engine.services.context import Context
from etl_engine.store.contract import Document
from etl_engine.store.ids import new_id

_ATTEMPTS = 50
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Listing:
    """One page, and how many match in all."""

    items: list[Any]
    total: int


@dataclass(frozen=True)
class Query:
    """What a list is asked for. Empty means everything, newest change first."""

    text: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)
    sort: str = "updated_at"
    descending: bool = True
    limit: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Shelf:
    """One collection of plain documents, and what people call one of them."""

    collection: Collection
    noun: str

    def find(self, ctx: Context, query: Query) -> tuple[list[Document], int]:
        where = dict(query.where)
        if query.text.strip():
            where["search"] = {"$has": query.text.strip().casefold()}
        sort = [("name_key" if query.sort == "name" else query.sort, -1 if query.descending else 1)]
        found = ctx.store.find(self.collection.name, where, sort=sort, limit=query.limit, skip=query.offset)
        whole = not query.limit and not query.offset
        return found, len(found) if whole else ctx.store.count(self.collection.name, where)

    def stored(self, ctx: Context, document_id: str) -> Document:
        """The document as it is in the store, or NotFound."""
        document = ctx.store.get(self.collection.name, document_id)
        if document is None:
            raise NotFound(
                f"There is no {self.noun} {document_id}", hint=f"List the {self.noun}s to see which there are."
            )
        return document

    def insert(self, ctx: Context, values: Mapping[str, Any]) -> Document:
        now, document_id = ctx.store.now(), new_id()
        document = {"_id": document_id, **values, **_found_by(values)}
        document |= {"created_at": now, "updated_at": now, "revision": 1}
        with audit.recorded(ctx, f"{self.noun}:create", document_id, values["name"]):
            try:
                return ctx.store.insert(self.collection.name, document)[0]
            except DuplicateKey:
                raise self._taken(ctx, values["name"]) from None

    def change(
        self, ctx: Context, document_id: str, revision: int | None, prepare: Callable[[Document], Mapping[str, Any]]
    ) -> Document:
        """Compare and set until it holds: `prepare` answers what differs from the document that it is given."""
        document = self.stored(ctx, document_id)
        changes = self._prepared(document, revision, prepare)
        if not changes:
            return document
        with audit.recorded(ctx, f"{self.noun}:update", document_id, document["name"], sorted(changes)):
            for _ in _attempts():
                updated = self._compared_and_set(ctx, document, changes)
                if updated is not None:
                    return updated
                document = self.stored(ctx, document_id)
                changes = self._prepared(document, revision, prepare)
                if not changes:
                    return document
            raise self._busy(document_id)

    def delete(
        self, ctx: Context, document_id: str, revision: int | None, check: Callable[[Document], None] | None = None
    ) -> Document:
        """`check` raises what speaks against it. Answers what was deleted."""
        document = self.stored(ctx, document_id)
        with audit.recorded(ctx, f"{self.noun}:delete", document_id, document["name"]):
            for _ in _attempts():
                self._insist_on(document, revision)
                if check is not None:
                    check(document)
                if ctx.store.delete(self.collection.name, {"_id": document_id, "revision": document["revision"]}):
                    return document
                document = self.stored(ctx, document_id)
            raise self._busy(document_id)

    def _prepared(
        self, document: Document, revision: int | None, prepare: Callable[[Document], Mapping[str, Any]]
    ) -> dict[str, Any]:
        wanted = prepare(document)
        self._insist_on(document, revision)
        return {name: value for name, value in wanted.items() if document.get(name) != value}

    def _compared_and_set(self, ctx: Context, document: Document, changes: dict[str, Any]) -> Document | None:
        here = {"_id": document["_id"], "revision": document["revision"]}
        changed = {**changes, **_found_by({**document, **changes}), "updated_at": ctx.store.now()}
        try:
            return ctx.store.update(self.collection.name, here, changed, increment={"revision": 1})
        except DuplicateKey:
            raise self._taken(ctx, changes["name"]) from None

    def _insist_on(self, document: Document, revision: int | None) -> None:
        if revision is not None and document["revision"] != revision:
            raise Stale(
                f"The {self.noun} {document['name']} was changed by somebody else since you read it",
                hint="Read it again, and repeat your change on top of it.",
                context={"yours": revision, "stored": document["revision"]},
            )

    def _busy(self, document_id: str) -> Conflict:
        return Conflict(f"The {self.noun} {document_id} is being changed by others", hint="Try again in a moment.")

    def _taken(self, ctx: Context, name: str) -> Conflict:
        holders = ctx.store.find(self.collection.name, {"name_key": name_key(name)}, limit=1)
        holder = f" by the {self.noun} {holders[0]['name']!r} ({holders[0]['_id']})" if holders else ""
        fix = "Choose another name; upper and lower case and outer spaces do not count."
        problem = Problem("/name", "taken", f"is taken{holder}", fix)
        return Conflict(f"The name {name!r} is taken{holder}", hint=fix, context={"field": "name"}, problems=(problem,))


def read_as(model: type[Model], values: Mapping[str, Any], what: str) -> Model:
    """Values as a checked document; BadInput names every field that is wrong."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise bad_input(error, f"This {what} cannot be used", model.model_fields) from None


def patched(model: type[Model], document: Mapping[str, Any], patch: Mapping[str, Any], what: str) -> Model:
    """The document after the patch: null sets a field back to its default, what is left out stays as it is."""
    values = {name: document[name] for name in model.model_fields if name in document} | dict(patch)
    return read_as(model, {name: value for name, value in values.items() if value is not None}, what)


def names_of(documents: list[Document], most: int = 5) -> str:
    """Who it is, for a sentence: the first few by name."""
    shown = ", ".join(repr(one["name"]) for one in documents[:most])
    return shown + (f" and {len(documents) - most} more" if len(documents) > most else "")


def _found_by(values: Mapping[str, Any]) -> dict[str, str]:
    name, description = str(values["name"]), str(values.get("description") or "")
    return {"name_key": name_key(name), "search": f"{name}\n{description}".casefold()}


def _attempts() -> Iterator[None]:
    """Of a compare-and-set. Each lost one means that somebody else's change is stored now; a pause spreads rivals."""
    for attempt in range(_ATTEMPTS):
        yield
        time.sleep(random.uniform(0, min(0.002 * 2**attempt, 0.05)))  # noqa: S311 - guards nothing
