"""What a generator cannot know about the API's documentation; loaded by schemathesis.toml."""

from typing import Any

import schemathesis


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """A receipt is signed by the engine: one that is made up is refused, well-formed as it is."""
    made_up = case.meta is not None and case.meta.generation.mode.is_positive and isinstance(case.body, dict)
    if made_up:
        case.body.pop("test_receipt", None)
