"""What a block is: given its work, it does it, and says what came out."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from etl_engine.engine.watching import Progress, Stop
from etl_engine.model.execution import Counters, Level, Node, Origin

Capability = TypeVar("Capability")


class Opener(Protocol):
    """Opens a saved connection by its id; the engine does not know where connections are kept."""

    def __call__(self, connection_id: str, capability: type[Capability], /) -> AbstractContextManager[Capability]: ...


@dataclass(frozen=True)
class Output:
    """What came out of a block.

    `value` is for the blocks behind it in the same process, such as rows that are not read yet; `metadata` is kept
    with the task, and `result` with the execution.
    """

    counters: Counters = field(default_factory=Counters)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    value: Any = None
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Work:
    """What a block is given.

    `kept` is what earlier attempts of this task kept with `keep`, which returns when it is stored for good, and
    raises Cancelled where this attempt has been given up for lost. A block that commits anything outside calls
    `stop.check()` right before: an attempt whose lease is over must not.
    """

    node: Node
    inputs: Mapping[str, Output]
    open: Opener
    progress: Progress
    stop: Stop
    note: Callable[[Level, Origin, str], None]
    kept: Mapping[str, Any]
    keep: Callable[[Mapping[str, Any]], None]
    resumed: bool = False  # an earlier attempt may still believe that it is at work


class Block(Protocol):
    """One kind of block; holds nothing between two runs."""

    def run(self, work: Work) -> Output: ...
