"""What a generator cannot know about the API; loaded by Schemathesis through the variable SCHEMATHESIS_HOOKS."""

import os
import re
from typing import Any
from uuid import uuid4

import httpx
import schemathesis
from schemathesis.generation.stateful.state_machine import APIStateMachine

NOUNS = [
    f"{os.environ['SCHEMATHESIS_TARGET']}/api/v1/{noun}/"
    for noun in ("schedules", "mappings", "schemas", "connections")
]
_KEY = re.compile("[!-~]{1,255}")
_teardown = APIStateMachine.teardown


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """A receipt is signed by the engine, and IDNA is no pattern: made up, both are refused, well-formed as they are.
    A key that came before with another body is refused too, so every request has one of its own."""
    if _KEY.fullmatch(str((case.headers or {}).get("Idempotency-Key", ""))):
        case.headers["Idempotency-Key"] = str(uuid4())
    if case.meta is None or not case.meta.generation.mode.is_positive or not isinstance(case.body, dict):
        return
    case.body.pop("test_receipt", None)
    for fields in (case.body, case.body.get("config")):
        for name in ("host", "tls_server_name"):
            if isinstance(fields, dict) and not str(fields.get(name, "")).isascii():
                fields[name] = "bücher.example"


def start_afresh(machine: APIStateMachine) -> None:
    """Every scenario begins with an empty store. With names still taken from the one before, Hypothesis sees its
    scenarios behave differently from run to run, and quietly ends the phase after a few of them."""
    with httpx.Client() as client:
        for noun in NOUNS:
            for document in client.get(noun).json():
                client.delete(noun + document["_id"])
    _teardown(machine)


APIStateMachine.teardown = start_afresh  # type: ignore[method-assign] - there is no hook for the end of a scenario
