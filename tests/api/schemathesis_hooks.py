"""What a generator cannot know about the API; loaded by Schemathesis through the variable SCHEMATHESIS_HOOKS."""

import os
from typing import Any

import httpx
import schemathesis
from schemathesis.generation.stateful.state_machine import APIStateMachine

CONNECTIONS = f"{os.environ['SCHEMATHESIS_TARGET']}/api/v1/connections/"
_teardown = APIStateMachine.teardown


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """A receipt is signed by the engine: one that is made up is refused, well-formed as it is."""
    if case.meta is not None and case.meta.generation.mode.is_positive and isinstance(case.body, dict):
        case.body.pop("test_receipt", None)


def start_afresh(machine: APIStateMachine) -> None:
    """Every scenario begins with an empty store. With names still taken from the one before, Hypothesis sees its
    scenarios behave differently from run to run, and quietly ends the phase after a few of them."""
    with httpx.Client() as client:
        for connection in client.get(CONNECTIONS).json():
            client.delete(CONNECTIONS + connection["_id"])
    _teardown(machine)


APIStateMachine.teardown = start_afresh  # type: ignore[method-assign] - there is no hook for the end of a scenario
