"""Between a connection as typed and as stored: sealing, opening, patching, and the receipt of a test."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from etl_engine.connectors import registry
from etl_engine.connectors.registry import Saved
from etl_engine.errors import BadInput, Locked, NotFound, Problem
from etl_engine.masking import hide
from etl_engine.model.collections import CONNECTIONS
from etl_engine.model.connection import TESTS_KEPT, ConnectionConfig, TestStatus
from etl_engine.model.problems import bad_input
from etl_engine.model.text import MASK, name_key
from etl_engine.sealing import Vault
from etl_engine.services.context import Context
from etl_engine.store.contract import Document

RECEIPT_SECONDS = 600
UNTESTED: dict[str, Any] = {
    "last_tested_at": None,
    "last_test_status": None,
    "last_test_ms": None,
    "last_test_version": None,
    "last_test_message": None,
}
# A file kind has no host; a search finds what a card shows.
_SEARCHED = ("name", "host", "port", "database", "username")


def stored(ctx: Context, connection_id: str) -> Document:
    """The document as it is in the store, or NotFound."""
    document = ctx.store.get(CONNECTIONS.name, connection_id)
    if document is None:
        raise missing(connection_id)
    return document


def missing(connection_id: str) -> NotFound:
    return NotFound(f"There is no connection {connection_id}", hint="List the connections to see which there are.")


def saved(document: Document) -> Saved:
    """The stored document as every door answers it. Sealed values stay behind: they are longer than any secret."""
    answer = registry.saved_type(document["db_type"])
    masks = {field: MASK for field in answer.secret_fields() if document.get(field) is not None}
    return answer.model_validate(document | masks)


def config_types() -> dict[str, type[ConnectionConfig]]:
    """What a caller sends, by kind."""
    return {name: kind.config for name, kind in registry.all_kinds().items()}


def answer_types() -> dict[str, type[Saved]]:
    """What every door answers, by kind."""
    return {name: registry.saved_type(name) for name in registry.all_kinds()}


def kind_named(text: str) -> str | None:
    """The db_type that this name, or another spelling of it, means."""
    spelt = text.strip().casefold()
    return next((name for name, others in registry.spellings().items() if spelt in (name, *others)), None)


def kind_meant(text: str) -> str:
    """The same, or BadInput that says what there is."""
    return registry.kind(kind_named(text) or text).name


def sealed_fields(vault: Vault, config: ConnectionConfig, document_id: str) -> Document:
    """The typed fields as they go into the store, with what searching and uniqueness need."""
    values = config.revealed()
    for field in config.secret_fields():
        if values[field] is not None:
            values[field] = vault.seal(values[field], document_id, field)
    shown = "\n".join(str(values[field]) for field in _SEARCHED if field in values)
    return {**values, "name_key": name_key(config.name), "search": shown.casefold()}


def opened(vault: Vault, document: Document, replaced: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The typed fields with their secrets in the clear. A secret that no key opens may be missing if it is replaced."""
    config = registry.kind(document["db_type"]).config
    values = {field: document[field] for field in config.model_fields if field in document}
    for field in config.secret_fields():
        if values.get(field) is not None:
            try:
                values[field] = vault.unseal(values[field], document["_id"], field)
            except Locked:
                if (replaced or {}).get(field, MASK) == MASK:
                    raise
                del values[field]
    return values


def as_config(values: Mapping[str, Any]) -> ConnectionConfig:
    """Plain values as a checked connection; BadInput names every field that is wrong."""
    for field in registry.secret_fields():  # whatever fails with them in hand from here on prints none of them
        if isinstance(secret := values.get(field), str) and secret != MASK:
            hide(secret)
    try:
        return registry.draft_adapter().validate_python(dict(values))
    except ValidationError as error:
        kind = registry.all_kinds().get(str(values.get("db_type")))
        fields = kind.config.model_fields if kind else ()
        raise bad_input(error, "This connection cannot be used", fields, registry.spellings()) from None


def patched(before: Mapping[str, Any], patch: Mapping[str, Any]) -> ConnectionConfig:
    """The connection after the patch: null sets a field back to its default, a mask leaves its secret as it was."""
    values = dict(before)
    db_type = patch.get("db_type") or before["db_type"]
    if db_type != before["db_type"]:  # fields that both kinds have go along, but not the port: it belongs to the kind
        fields = registry.kind(str(db_type)).config.model_fields
        values = {field: value for field, value in before.items() if field in fields and field != "port"}
    config = registry.kind(str(db_type)).config
    secrets = config.secret_fields()
    values |= {field: value for field, value in patch.items() if not (field in secrets and value == MASK)}
    return as_config({f: value for f, value in values.items() if value is not None or f not in config.model_fields})


def changed_fields(before: Mapping[str, Any], after: ConnectionConfig) -> set[str]:
    now = after.revealed()
    return {field for field in before.keys() | now.keys() if before.get(field) != now.get(field)}


def refuse_masks(draft: ConnectionConfig) -> None:
    """A new connection has no stored secret that the mask could stand for."""
    values = draft.revealed()
    masked = [field for field in draft.secret_fields() if values[field] == MASK]
    if masked:
        problems = tuple(
            Problem(f"/{field}", "mask", f"is the mask {MASK}, not a {field}", "Enter the secret itself.")
            for field in masked
        )
        raise BadInput(f"The {masked[0]} is the mask {MASK}", hint="Enter the secret itself.", problems=problems)


def make_receipt(vault: Vault, config: ConnectionConfig, at: dt.datetime, ms: float, version: str) -> str:
    """Proof that a test of exactly these values succeeded; good for ten minutes, and for this store only."""
    return vault.sign(
        {"digest": _digest(vault, config), "at": at.isoformat(), "ms": ms, "version": version, "use": "tested"}
    )


def tested_by_receipt(vault: Vault, config: ConnectionConfig, receipt: str, history: list[Document]) -> dict[str, Any]:
    """The fields of a tested connection, from the receipt of its test; empty without a receipt."""
    if not receipt:
        return {}
    claims = vault.verify(receipt, RECEIPT_SECONDS)
    if claims is None or claims.get("use") != "tested":
        raise _bad_receipt("is not valid, or older than ten minutes")
    if claims["digest"] != _digest(vault, config):
        # Other values, or another data key since `keys rotate --reseal`: nobody can tell which.
        raise _bad_receipt("does not prove that these values were tested")
    at = dt.datetime.fromisoformat(claims["at"])
    return tested(at, TestStatus.SUCCESS, claims["ms"], claims["version"], "Connection successful", history)


def tested(
    at: dt.datetime, status: TestStatus, ms: float, version: str, message: str, history: list[Document]
) -> dict[str, Any]:
    """The fields a test leaves on the connection, with the last twenty results."""
    run = {"at": at, "status": status.value, "ms": ms}
    return {
        "last_tested_at": at,
        "last_test_status": status.value,
        "last_test_ms": ms,
        "last_test_version": version or None,
        "last_test_message": message,
        "tests": [*(one for one in history if one != run), run][-TESTS_KEPT:],  # a receipt may be used twice
    }


def _digest(vault: Vault, config: ConnectionConfig) -> str:
    """Of everything that matters to the connection: all but its name."""
    values = config.revealed()
    del values["name"]
    return vault.digest(json.dumps(values, sort_keys=True))


def _bad_receipt(what: str) -> BadInput:
    problem = Problem("/test_receipt", "test-receipt", what, "Test these values again.")
    return BadInput(f"The test receipt {what}", hint=problem.fix, problems=(problem,))
