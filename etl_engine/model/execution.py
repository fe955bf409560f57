"""An execution: one run of one graph, its tasks, and the lines of its log."""

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SubjectKind = Literal["copy", "mapping", "pipeline", "sync", "check"]
NodeId = Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]


class Status(StrEnum):
    """Where an execution stands."""

    PENDING = "pending"  # waits for a worker
    RUNNING = "running"  # a worker holds it by a lease, and says every few seconds that it still moves
    SUCCESS = "success"  # everything that was to be done is done
    PARTIAL = "partial"  # done, but some rows were rejected or some branch failed
    FAILED = "failed"  # stopped by an error; what was committed stays
    CANCELLED = "cancelled"  # somebody asked for its end
    LOST = "lost"  # its worker does not answer any more; it becomes pending again, or fails


# The store makes each of these moves by compare-and-set on (status, epoch).
MOVES: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.PENDING: frozenset({Status.RUNNING, Status.CANCELLED}),
        Status.RUNNING: frozenset(
            {
                Status.SUCCESS,
                Status.PARTIAL,
                Status.FAILED,
                Status.CANCELLED,
                Status.LOST,
                Status.PENDING,  # handed back by a worker that was asked to end
            }
        ),
        Status.LOST: frozenset({Status.PENDING, Status.FAILED, Status.CANCELLED}),
        Status.SUCCESS: frozenset(),
        Status.PARTIAL: frozenset(),
        Status.FAILED: frozenset(),
        Status.CANCELLED: frozenset(),
    }
)
FINAL = frozenset(status for status, moves in MOVES.items() if not moves)
ACTIVE = frozenset(Status) - FINAL


class Level(StrEnum):
    """How much a line of the log matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Origin(StrEnum):
    """Who a line of the log is about."""

    ENGINE = "engine"
    SOURCE = "source"
    TARGET = "target"
    USER = "user"  # user code, and what people did: cancel, retry


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Subject(_Part):
    """What is executed: a saved document by its id, or something that was ordered once and has none."""

    kind: SubjectKind
    id: str = Field(default="", description="24 hexadecimal digits, or empty where nothing is saved.")
    name: Annotated[str, Field(max_length=1000)] = Field(default="", description="As people know it, at the time.")


class Node(_Part):
    """One block of a graph."""

    id: NodeId
    block: str = Field(description="What it does: copy, db_extract, map, db_load.")
    title: Annotated[str, Field(max_length=1000)] = ""
    config: dict[str, Any] = {}


class Edge(_Part):
    """What one block makes goes into another one."""

    source: NodeId
    target: NodeId


class Graph(_Part):
    """What an execution does, as it was when it was ordered: later changes of the subject do not touch it."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()


class Trigger(_Part):
    """Why it runs."""

    kind: Literal["manual", "schedule", "retry"] = "manual"
    id: str = Field(default="", description="Of the schedule, or of the execution that is repeated.")
    name: str = ""
    fire_time: dt.datetime | None = Field(default=None, description="When a schedule wanted it.")


class Counters(_Part):
    """Rows on their way, and bytes read."""

    read: int = 0
    loaded: int = 0
    rejected: int = 0
    bytes: int = 0


class Movement(_Part):
    """The last heartbeat's news of the data path."""

    phase: str = ""
    task: str = Field(default="", description="The block that is at work.")
    rows_total: int | None = None
    bytes_total: int | None = None
    batch: int = Field(default=0, description="Batches that went through.")
    moved_at: dt.datetime | None = Field(default=None, description="When anything last changed: rows, bytes or phase.")


class Failure(_Part):
    """What went wrong, in words for people."""

    code: str
    message: str
    hint: str = ""
    retryable: bool = False
    audience: str = "user"
    task: str = ""


class Transition(_Part):
    """One change of status."""

    at: dt.datetime
    status: Status
    epoch: int
    owner: str = ""
    reason: str = ""


class Execution(BaseModel):
    """One run, as every door answers it."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, frozen=True)

    id: str = Field(alias="_id")
    status: Status
    subject: Subject
    series: str = Field(description="The same for every execution of the same thing.")
    trigger: Trigger = Trigger()
    graph: Graph
    actor: str
    request_id: str = ""
    retry_of_id: str | None = Field(default=None, description="The execution that this one repeats.")
    epoch: int = Field(description="Counts how often it was given to a worker.")
    owner: str = Field(default="", description="The worker that has it, or had it last.")
    lease_until: dt.datetime | None = None
    heartbeat_at: dt.datetime | None = None
    lost: int = Field(default=0, description="How often its worker was lost.")
    counters: Counters = Counters()
    movement: Movement = Movement()
    log_lines: int = Field(default=0, description="The number of the last line of its log.")
    cancel_requested_at: dt.datetime | None = None
    cancelled_by: str = ""
    created_at: dt.datetime
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    changed_at: dt.datetime = Field(description="When its status last changed.")
    error: Failure | None = None
    result: dict[str, Any] | None = Field(default=None, description="Of a copy: its receipt.")
    transitions: tuple[Transition, ...] = ()

    @property
    def final(self) -> bool:
        return self.status in FINAL


class TaskRecord(BaseModel):
    """One block of one execution, as every door answers it."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, frozen=True)

    id: str | None = Field(default=None, alias="_id", description="Nothing as long as it has not begun.")
    execution_id: str
    block_id: str = Field(description="The node of the graph.")
    block: str
    title: str = ""
    status: Status
    epoch: int = 0
    counters: Counters = Counters()
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    error: Failure | None = None
    output_metadata: dict[str, Any] | None = None


class LogLine(BaseModel):
    """One line of the log of an execution."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seq: int = Field(description="Grows from line to line; a number may be missing where a worker died.")
    at: dt.datetime
    level: Level
    origin: Origin
    task: str = ""
    message: str
