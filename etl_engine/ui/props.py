"""What components take: Python values at build time, or Vars that the browser fills in."""

import reflex as rx
from reflex.event import EventType

Text = str | rx.Var[str]
Handler = EventType[()]
