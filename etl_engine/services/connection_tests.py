"""Test a connection: values not saved yet, or one that is stored."""

import datetime as dt
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from etl_engine.connectors import registry
from etl_engine.connectors.contract import CHECK_SECONDS, Deadline, Health, Step
from etl_engine.errors import Conflict
from etl_engine.masking import Secrets, hide
from etl_engine.model.collections import CONNECTIONS
from etl_engine.model.connection import ConnectionConfig, StepReport, TestDetails, TestResult, TestStatus
from etl_engine.services import access, audit
from etl_engine.services.connection_documents import (
    make_receipt,
    opened,
    patched,
    refuse_masks,
    stored,
    tested,
)
from etl_engine.services.context import Context
from etl_engine.store.contract import Document

OnStep = Callable[[StepReport], None]
_ATTEMPTS = 50  # each lost race means that another result was written
_MILLISECOND = dt.timedelta(milliseconds=1)
SUCCESS = "Connection successful"


def test_new(
    ctx: Context, draft: ConnectionConfig, *, on_step: OnStep | None = None, cancelled: threading.Event | None = None
) -> TestResult:
    """Climb the ladder with values that are not saved. A success comes with a receipt for saving exactly these."""
    access.require(ctx, "connection:test")
    refuse_masks(draft)
    health = _climb(ctx, draft, on_step, cancelled)
    return _result(draft.db_type, health, receipt=_receipt(ctx, draft, health))


def test_saved(
    ctx: Context,
    connection_id: str,
    changes: Mapping[str, Any] | None = None,
    *,
    on_step: OnStep | None = None,
    cancelled: threading.Event | None = None,
) -> TestResult:
    """Test a stored connection, and record how it went; or, with changes, test what it would be with them.

    A test with changes records nothing: its receipt goes with the update. So does a test of values that somebody
    changed while it ran.
    """
    access.require(ctx, "connection:test")
    document = stored(ctx, connection_id)
    config = patched(opened(ctx.keyring.vault(), document, replaced=changes), changes or {})
    health = _climb(ctx, config, on_step, cancelled)
    if changes:
        return _result(config.db_type, health, receipt=_receipt(ctx, config, health))
    return _result(config.db_type, health, recorded=_record(ctx, document, health))


def _climb(ctx: Context, config: ConnectionConfig, on_step: OnStep | None, cancelled: threading.Event | None) -> Health:
    connector = registry.kind(config.db_type).make(config, ctx.surroundings)
    report = on_step or (lambda _: None)
    secrets = _secrets(config)
    try:
        health = connector.check(
            Deadline(CHECK_SECONDS, cancelled), lambda step: report(_report(_without(secrets, step)))
        )
    finally:
        connector.close()
    return replace(health, steps=tuple(_without(secrets, step) for step in health.steps))


def _secrets(config: ConnectionConfig) -> Secrets:
    """What no step may say, whatever a driver puts into its messages.

    A secret that a visible field says anyway, as `reader` is said by the user `etl_reader`, is left out: a fix that
    names this user must stay one to copy.
    """
    values = config.revealed()
    secret = {values.pop(field) or "" for field in config.secret_fields()}
    for value in secret:
        hide(value)
    visible = [str(value) for value in values.values()]
    return Secrets(value for value in secret if not any(value in text for text in visible))


def _without(secrets: Secrets, step: Step) -> Step:
    evidence, cause, fix = map(secrets.masked, (step.evidence, step.cause, step.fix))
    return replace(step, evidence=evidence, cause=cause, fix=fix)


def _record(ctx: Context, document: Document, health: Health) -> bool:
    """Write the result onto the connection, unless its values changed during the test; Conflict if it is gone."""
    status = TestStatus.SUCCESS if health.ok else TestStatus.FAILED
    with audit.recorded(ctx, "connection:test", document["_id"], document["name"]):
        for _ in range(_ATTEMPTS):
            now = _still_there(ctx, document)
            if now["revision"] != document["revision"]:
                return False
            # Other tests may end at the same time, even in the same millisecond, and no result may be lost from the
            # history: every result is later than the one before it, and is written only on top of that one.
            before = now["last_tested_at"]
            at = ctx.store.now() if before is None else max(ctx.store.now(), before + _MILLISECOND)
            fields = tested(at, status, health.ms, health.version, _message(health), now["tests"])
            here = {"_id": now["_id"], "revision": now["revision"], "last_tested_at": before}
            if ctx.store.update(CONNECTIONS.name, here, fields) is not None:
                return True
        raise Conflict(
            f"The connection {document['name']} is being tested by many others", hint="Test it again in a moment."
        )


def _still_there(ctx: Context, document: Document) -> Document:
    """The document as it is now; Conflict where it was deleted while its test ran."""
    now = ctx.store.get(CONNECTIONS.name, document["_id"])
    if now is None:
        raise Conflict(
            f"The connection {document['name']} was deleted while it was tested",
            hint="The result was not stored; create the connection again if it is still needed.",
        )
    return now


def _receipt(ctx: Context, config: ConnectionConfig, health: Health) -> str | None:
    if not health.ok:
        return None
    return make_receipt(ctx.keyring.vault(), config, ctx.store.now(), health.ms, health.version)


def _result(db_type: str, health: Health, *, receipt: str | None = None, recorded: bool = False) -> TestResult:
    details = TestDetails(
        db_type=db_type,
        version=health.version or None if health.ok else None,
        ms=round(health.ms, 1),
        steps=[_report(step) for step in health.steps],
        receipt=receipt,
        recorded=recorded,
    )
    return TestResult(success=health.ok, message=_message(health), details=details)


def _message(health: Health) -> str:
    failure = health.failure
    return f"{failure.title}: {failure.cause}" if failure else SUCCESS


def _report(step: Step) -> StepReport:
    return StepReport(
        key=step.key,
        title=step.title,
        state=step.state.value,
        ms=round(step.ms, 1),
        evidence=step.evidence,
        cause=step.cause,
        fix=step.fix,
        who=step.who.value if step.who else None,
        code=step.code,
    )
