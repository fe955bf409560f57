"""The data key in the store, wrapped by the operator's keys: opened, re-wrapped, renewed.

One document holds every data key that may still be needed, the sealing one first. A change of it is one
compare-and-set on its version, so a process killed at any moment leaves either the old or the new document.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etl_engine.errors import Conflict, DuplicateKey, Locked
from etl_engine.masking import hide
from etl_engine.model.collections import KEYS
from etl_engine.sealing import Vault, fingerprint, new_key, unwrap, wrap
from etl_engine.store.contract import Document, Store

_NAME = "data"


@dataclass(frozen=True)
class DataKey:
    """One data key, open. A retired one seals nothing any more, and still opens what a late writer sealed with it."""

    value: str
    made_at: Any
    retired_at: Any = None

    def __repr__(self) -> str:
        return f"DataKey(made {self.made_at}, retired {self.retired_at})"


class Keyring:
    """The operator's keys and the store they open. Thread-safe; notices a rotation made by another process."""

    def __init__(self, store: Store, keys: Sequence[str]) -> None:
        self._store = store
        self._keys = tuple(keys)
        for key in self._keys:
            hide(key)
        self._lock = threading.Lock()
        self._version = 0
        self._vault: Vault | None = None

    def __repr__(self) -> str:
        return f"Keyring({len(self._keys)} keys, version {self._version})"

    def vault(self) -> Vault:
        """The vault as it is now. One small read; the keys are unwrapped only when the document changed."""
        document = self.document()
        with self._lock:
            if self._vault is None or document["version"] != self._version:
                self._vault = Vault([key.value for key in self.data_keys(document)])
                self._version = document["version"]
            return self._vault

    def document(self) -> Document:
        """The key document; made with a fresh data key where the store has none yet."""
        found = self._store.find(KEYS.name, {"name": _NAME}, limit=1)
        if found:
            return found[0]
        if not self._keys:
            raise _no_key()
        first = {"wrapped": wrap(new_key(), self._keys), "made_at": self._store.now(), "retired_at": None}
        try:
            fresh = {"name": _NAME, "version": 1, "data_keys": [first], "resealing": False}
            return self._store.insert(KEYS.name, fresh | {"wrapped_by": fingerprint(self._keys[0])})[0]
        except DuplicateKey:  # another process made it at the same time: its key is the one
            return self._store.find(KEYS.name, {"name": _NAME}, limit=1)[0]

    def exists(self) -> bool:
        return bool(self._store.find(KEYS.name, {"name": _NAME}, limit=1))

    def data_keys(self, document: Document) -> list[DataKey]:
        """Every data key of the document, opened with the operator's keys; Locked where none of them fits."""
        if not self._keys:
            raise _no_key()
        try:
            return [
                DataKey(unwrap(entry["wrapped"], self._keys), entry["made_at"], entry["retired_at"])
                for entry in document["data_keys"]
            ]
        except Locked:
            known = ", ".join(fingerprint(key) for key in self._keys)
            raise Locked(
                f"The encryption key does not open this store: it was sealed with key {document['wrapped_by']}, "
                f"and the key given is {known}",
                hint="Set ENCRYPTION_KEY to the key this store was made with; to change it, set `new,old` and run "
                "`etl-engine keys rotate`. Nothing was changed.",
            ) from None

    def save(self, document: Document, data_keys: Sequence[DataKey], *, resealing: bool) -> Document:
        """Put these data keys, wrapped by the operator's first key, in place of the document as it was read."""
        entries = [
            {"wrapped": wrap(key.value, self._keys), "made_at": key.made_at, "retired_at": key.retired_at}
            for key in data_keys
        ]
        saved = self._store.update(
            KEYS.name,
            {"_id": document["_id"], "version": document["version"]},
            {"data_keys": entries, "resealing": resealing, "wrapped_by": fingerprint(self._keys[0])},
            increment={"version": 1},
        )
        if saved is None:
            raise Conflict("Another process changed the keys at the same time", hint="Run the command again.")
        return saved


def _no_key() -> Locked:
    return Locked(
        "This store is sealed, and no key was given",
        hint="Set ENCRYPTION_KEY to the key this store was made with, or put its key file back.",
    )
