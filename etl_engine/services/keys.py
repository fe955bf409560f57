"""Rotation: re-wrap the data key with the operator's first key; with `reseal`, renew the data key itself.

Resealing survives being killed at any moment: the new key is in the store before the first record uses it, every
record changes by a compare-and-set, and the old key is retired, not dropped, after a pass that found nothing left.
Run again, it goes on where it stopped.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from etl_engine.connectors import registry
from etl_engine.errors import Locked
from etl_engine.faultpoints import faultpoint
from etl_engine.model.collections import CONNECTIONS
from etl_engine.sealing import Vault, new_key
from etl_engine.services import access, audit
from etl_engine.services.context import Context
from etl_engine.services.keyring import DataKey
from etl_engine.store.contract import Document

# How long a retired data key stays openable, for a writer that sealed with it while it was being retired.
RETIRED_KEPT = dt.timedelta(days=1)
_PAGE = 200


@dataclass(frozen=True)
class Rotation:
    """What a rotation did."""

    rewrapped: int  # data keys now under the first of the operator's keys
    resealed: int  # values moved to the new data key
    unreadable: tuple[str, ...]  # records whose secret no key opens: named, and left as they are
    dropped: int  # data keys retired long ago and not needed by any record


def rotate(ctx: Context, *, reseal: bool = False, on_progress: Callable[[int], None] | None = None) -> Rotation:
    """Re-wrap the data keys; with `reseal`, make a new data key and move every sealed value to it."""
    access.require(ctx, "key:rotate")
    with audit.recorded(ctx, "key:reseal" if reseal else "key:rotate", "keys", "data key"):
        document = ctx.keyring.document()
        keys = ctx.keyring.data_keys(document)
        resuming = bool(document["resealing"])
        if reseal and not resuming:
            faultpoint("keys.before_new_key")
            keys = [DataKey(new_key(), ctx.store.now()), *keys]
        document = ctx.keyring.save(document, keys, resealing=reseal or resuming)
        faultpoint("keys.after_new_key")
        if not document["resealing"]:
            return Rotation(len(keys), 0, (), 0)
        resealed, unreadable = _reseal_everything(ctx, on_progress or (lambda _: None))
        faultpoint("keys.before_retire")
        kept = list(keys) if unreadable else [*keys[:1], *_still_needed(keys[1:], ctx.store.now())]
        ctx.keyring.save(document, kept, resealing=False)
        faultpoint("keys.after_retire")
        return Rotation(len(kept), resealed, unreadable, len(keys) - len(kept))


def _still_needed(old: list[DataKey], now: dt.datetime) -> Iterator[DataKey]:
    for key in old:
        if key.retired_at is None:
            yield replace(key, retired_at=now)
        elif now - key.retired_at < RETIRED_KEPT:
            yield key


def _reseal_everything(ctx: Context, on_progress: Callable[[int], None]) -> tuple[int, tuple[str, ...]]:
    """Pass over all records until a pass finds nothing to do: a record written meanwhile is found by the next one."""
    total = 0
    while True:
        vault = ctx.keyring.vault()
        found, unreadable = 0, []
        for document in _connections(ctx):
            try:
                changes = _under_new_key(vault, document)
            except Locked:
                unreadable.append(f"{document['name']} ({document['_id']})")
                continue
            found += len(changes)
            if changes and _unchanged_since(ctx, document, changes):
                total += len(changes)
                on_progress(total)
                faultpoint("keys.after_reseal_one")
        if not found:
            return total, tuple(unreadable)


def _connections(ctx: Context) -> Iterator[Document]:
    last: Document | None = None
    while page := ctx.store.find(CONNECTIONS.name, sort=[("_id", 1)], limit=_PAGE, after=last):
        yield from page
        last = page[-1]


def _under_new_key(vault: Vault, document: Document) -> dict[str, str]:
    """The sealed fields of the record that still stand under an older data key, sealed anew."""
    return {
        field: vault.seal(vault.unseal(token, document["_id"], field), document["_id"], field)
        for field in registry.kind(document["db_type"]).config.secret_fields()
        if (token := document.get(field)) and not vault.sealed_with_first(token)
    }


def _unchanged_since(ctx: Context, document: Document, changes: dict[str, str]) -> bool:
    """Write, unless the record changed since it was read; then the next pass looks at it again."""
    here = {"_id": document["_id"], "revision": document["revision"]}
    return ctx.store.update(CONNECTIONS.name, here, changes) is not None
