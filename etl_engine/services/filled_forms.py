"""What is done with a connection's form as it was filled: read from a pasted text, tested, stored."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from etl_engine.connectors.registry import Saved
from etl_engine.errors import BadInput
from etl_engine.model.connection import TestResult
from etl_engine.services import access, connection_tests, connections, forms, paste
from etl_engine.services.connection_tests import OnStep
from etl_engine.services.context import Context
from etl_engine.services.forms import Form
from etl_engine.services.paste import Understood

UNTESTED = "These values have not been tested"


@dataclass(frozen=True)
class Pasted:
    """What a pasted text says, with the form of its kind where that is another one."""

    found: Understood
    other_kind: Form | None


def pasted(ctx: Context, text: str, db_type: str) -> Pasted:
    """Read a text into the form of a kind; BadInput where it says nothing about a database."""
    access.require(ctx, "kind:read")
    found = paste.understand(ctx, text)
    other = found.db_type if found.db_type != db_type else None
    return Pasted(found, forms.blank(ctx, other) if other else None)


def test(
    ctx: Context,
    connection_id: str,
    values: Mapping[str, object],
    removed: Collection[str] = (),
    *,
    on_step: OnStep | None = None,
    cancelled: threading.Event | None = None,
) -> TestResult:
    """Climb the ladder with exactly these values, on top of what is stored where there is a connection."""
    access.require(ctx, "connection:test")
    if not connection_id:
        return connection_tests.test_new(ctx, forms.draft(ctx, values), on_step=on_step, cancelled=cancelled)
    changes = forms.changes(ctx, connection_id, values, removed)
    return connection_tests.test_saved(ctx, connection_id, changes, on_step=on_step, cancelled=cancelled)


def create(ctx: Context, values: Mapping[str, object], receipt: str) -> Saved:
    """Store a new connection: only with the receipt of a successful test of exactly these values."""
    access.require(ctx, "connection:create")
    draft = forms.draft(ctx, values)
    _insist_on_a_test(receipt)
    return connections.create(ctx, draft, receipt=receipt)


def update(
    ctx: Context,
    connection_id: str,
    values: Mapping[str, object],
    removed: Collection[str] = (),
    *,
    revision: int | None = None,
    receipt: str = "",
) -> Saved:
    """Store what a form changes in a connection. A new name alone needs no test, anything else its receipt."""
    access.require(ctx, "connection:update")
    changes = forms.changes(ctx, connection_id, values, removed)
    if changes.keys() - {"name"}:
        _insist_on_a_test(receipt)
    return connections.update(ctx, connection_id, changes, revision=revision, receipt=receipt)


def _insist_on_a_test(receipt: str) -> None:
    if not receipt:
        raise BadInput(UNTESTED, hint="Test the connection first.")
