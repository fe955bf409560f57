"""What hands work out. The store is the truth about what is to be done; this only makes somebody look there soon."""

from typing import Protocol


class Dispatch(Protocol):
    """Thread-safe."""

    def wake(self) -> None:
        """An execution is pending or is to be cancelled: let workers look now. Never waits and never raises."""


class NobodyHere:
    """This process has no workers: those of others find the work at their next look, a quarter of a second later."""

    def wake(self) -> None:
        return
