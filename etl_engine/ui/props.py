"""What components take: Python values at build time, or Vars that the browser fills in; and how handlers are marked."""

from typing import Any

import reflex as rx
from reflex.event import EventType

Text = str | rx.Var[str]
Flag = bool | rx.Var[bool]
Handler = EventType[()]
# By Reflex's own types a marked handler could not be called with arguments.
event: Any = rx.event
