"""What carries a notice out of the house."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Notice:
    """One thing that happened. The id stays the same however often it is sent: receivers go by it."""

    id: str
    type: str  # execution.failed, execution.recovered, execution.lost
    created: dt.datetime
    data: Mapping[str, Any]  # JSON values, without secrets


class Notifier(Protocol):
    """One receiver. Thread-safe."""

    def send(self, notice: Notice) -> None:
        """Returns when the receiver has taken it.

        Unreachable or Throttled where a later attempt may succeed, Rejected or Refused where none will. Ends within
        ten seconds, whatever the other side does.
        """
