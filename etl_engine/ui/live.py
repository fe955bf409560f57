"""Telling open browsers that something changed: an ordinary handler runs for each of them."""

from typing import Any

import reflex as rx
from reflex.event import Event


async def tell_everybody(app: rx.App, *events: Any) -> int:
    """Run these handlers for every browser connected to this process; answers how many there are."""
    namespace = app.event_namespace
    tokens = list(namespace.token_to_sid) if namespace else []
    with app.set_contexts():
        for token in tokens:
            for event in Event.from_event_type(list(events)):
                await app.event_processor.enqueue(token, event)
    return len(tokens)
