"""What a connector is. The comments here are the specification; `tests/contracts/` runs it on every kind."""

import ipaddress
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from etl_engine.errors import Cancelled
from etl_engine.model.connection import ConnectionConfig

CHECK_SECONDS = 5.0

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class StepState(StrEnum):
    """Where a step of the ladder stands."""

    PENDING = "pending"
    RUNNING = "running"
    PASS = "pass"
    WARN = "warn"  # it works, and somebody should know this
    FAIL = "fail"  # the first failure; later steps are skipped
    SKIPPED = "skipped"


class Who(StrEnum):
    """Who must act on a failed step."""

    YOU = "you"
    DBA = "dba"
    NETWORK = "network"


@dataclass(frozen=True)
class Step:
    """One rung of the ladder. Texts never hold a secret."""

    key: str  # stable: dns, tcp, tls, login, database, version, privileges (file kinds: path, file, ...)
    title: str  # what is checked, in three words: "Name resolves"
    state: StepState = StepState.PENDING
    ms: float = 0.0
    evidence: str = ""  # one line of fact: "10.2.0.11", "TLSv1.3, certificate valid 214 days"
    cause: str = ""  # on failure: what is wrong, one sentence
    fix: str = ""  # on failure: a command or GRANT to copy, or one imperative sentence
    who: Who | None = None
    code: str = ""  # on failure: stable name of the fault, such as wrong-password


@dataclass(frozen=True)
class Health:
    """The whole ladder after a check."""

    steps: tuple[Step, ...]
    ms: float
    version: str = ""

    @property
    def ok(self) -> bool:
        return all(step.state in (StepState.PASS, StepState.WARN) for step in self.steps)

    @property
    def failure(self) -> Step | None:
        return next((step for step in self.steps if step.state is StepState.FAIL), None)


class Deadline:
    """One budget shared by everything a check does; also how it is cancelled."""

    def __init__(self, seconds: float, cancelled: threading.Event | None = None) -> None:
        self._end = time.monotonic() + seconds
        self._cancelled = cancelled or threading.Event()

    def left(self) -> float:
        """Seconds left, never below zero; raises Cancelled when somebody asked to stop."""
        if self._cancelled.is_set():
            raise Cancelled("The test was cancelled")
        return max(0.0, self._end - time.monotonic())

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()


@dataclass(frozen=True)
class Surroundings:
    """What the operator allows: addresses that are never connected to, folders that files may be read from."""

    deny: tuple[Network, ...] = ()
    file_roots: tuple[Path, ...] = ()
    forbidden_paths: tuple[Path, ...] = field(default=())  # the product's own store and key
    lake: Path | None = None  # the folder of the built-in lake


class Connector(ABC):
    """One connection of one kind: made with a validated config, used by one thread, closed by its opener.

    Making one does no I/O and loads no driver. `check` is called by the service layer for a person who waits;
    the data plane's capabilities (`Reads`, `Writes`, ...) open their own sessions.
    """

    @abstractmethod
    def check(self, deadline: Deadline, on_step: Callable[[Step], None]) -> Health:
        """Climb the ladder, reporting every change of a step through `on_step` as it happens.

        Called from a worker thread, at most once at a time per connector. Never raises for anything the other side
        does: a failure is a step. Returns within the deadline (plus 100 ms), whatever the other side does, and
        leaves no connection, thread or file behind for longer than a second more. Raises Cancelled when cancelled.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back whatever is open. Called once, from the opener's thread; may be called without a check."""


@dataclass(frozen=True)
class Kind:
    """What a file in `kinds/` offers: its name `KIND` is all the registry reads."""

    name: str  # the value of db_type
    title: str  # as people say it: "MySQL / MariaDB"
    summary: str  # one line for the tile: what it connects to
    config: type[ConnectionConfig]
    make: Callable[[ConnectionConfig, Surroundings], Connector]
    driver: str  # the module that loads when a connection opens, such as "psycopg2"
    extra: str  # what `pip install "etl-engine[...]"` needs to say
    aliases: tuple[str, ...] = ()  # other spellings accepted at the doors: "postgres", "mariadb"
    setup: str = ""  # Markdown: how to prepare the other side, with {username} and {database} to fill in
    rungs: tuple[Step, ...] = ()  # what a check climbs, in order and still pending: for a screen that shows it early
