"""Executions of a test's own blocks, done in the test's process or in one that dies."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from copying import Pair

from etl_engine import faultpoints
from etl_engine.engine import runner
from etl_engine.engine.block import Output, Work
from etl_engine.model.execution import Edge, Execution, Graph, Node, Subject
from etl_engine.services import connections, copy_orders, execution_attempts, execution_claims, executions
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context
from etl_engine.services.execution_attempts import claim_and_run

CHECK = Subject(kind="check", name="A test")
DIED = -signal.SIGKILL


@dataclass
class Scripted:
    """A block that does what the test says; what it was given is kept."""

    does: Callable[[Work], Output] = lambda work: Output()
    works: list[Work] = field(default_factory=list)

    def run(self, work: Work) -> Output:
        self.works.append(work)
        return self.does(work)


@contextmanager
def scripted_blocks(monkeypatch: pytest.MonkeyPatch, *names: str) -> Iterator[dict[str, Scripted]]:
    """The only blocks there are, for as long as this lasts."""
    blocks = {name: Scripted() for name in names}
    with monkeypatch.context() as patch:
        patch.setattr(runner, "blocks", lambda: blocks)
        yield blocks


def quick(monkeypatch: pytest.MonkeyPatch, lease: float = 1.2) -> None:
    """A heart that beats quickly, and leases that end soon."""
    monkeypatch.setattr(execution_claims, "LEASE_SECONDS", lease)
    monkeypatch.setattr(execution_claims, "HEARTBEAT_SECONDS", lease / 4)
    monkeypatch.setattr(execution_attempts, "TICK_SECONDS", 0.05)


def graph(*names: str, edges: tuple[tuple[str, str], ...] = (), **config: Any) -> Graph:
    """Nodes whose ids are the names of their blocks."""
    nodes = tuple(Node(id=name, block=name, title=name.title(), config=config) for name in names)
    return Graph(nodes=nodes, edges=tuple(Edge(source=one, target=other) for one, other in edges))


def submitted(ctx: Context, *names: str, edges: tuple[tuple[str, str], ...] = (), **more: Any) -> Execution:
    return executions.submit(ctx, CHECK, graph(*(names or ("one",)), edges=edges), **more)


def worked(ctx: Context, owner: str = "worker", ending: threading.Event | None = None, stall: float = 600.0) -> bool:
    """One execution from its claim to its end, in this thread."""
    return claim_and_run(ctx, owner, ending=ending or threading.Event(), stall_seconds=stall)


def states(execution: Execution) -> list[str]:
    return [f"{change.status.value}@{change.epoch}" for change in execution.transitions]


def in_dying_child(
    work: Callable[[], object],
    points: str = "",
    seconds: float = 60.0,
    meanwhile: Callable[[], object] = lambda: None,
) -> int:
    """Fork, work, and answer how the child ended. Nothing of ours is used across the fork but what opens anew: what
    goes on here `meanwhile` begins after it, else the child would inherit a lock that nobody opens."""
    child = os.fork()
    if not child:
        code = 3
        try:
            faultpoints.arm(points)
            work()
            code = 0
        finally:
            os._exit(code)
    beside = threading.Thread(target=meanwhile)
    beside.start()
    until = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            beside.join(20)
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError(f"the child does not end within {seconds:g} s")
        time.sleep(0.01)


def saved_pair(ctx: Context, pair: Pair) -> tuple[str, str]:
    """The two databases as saved connections; their ids."""
    ids = []
    for database in (pair.source, pair.target):
        config = as_config(
            {
                "name": database,
                "db_type": "postgresql",
                "host": pair.server.host,
                "port": pair.server.port,
                "database": database,
                "username": pair.server.user,
                "password": pair.server.password,
            }
        )
        ids.append(connections.create(ctx, config).id)
    return ids[0], ids[1]


def ordered_copy(ctx: Context, ends: tuple[str, str], table: str = "orders", **options: Any) -> Execution:
    return copy_orders.order(
        ctx, {"source_id": ends[0], "target_id": ends[1], "table": table, "target": table, **options}
    )
