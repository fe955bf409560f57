"""Runs a graph: each block after those it depends on; a branch that fails does not stop the others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

from etl_engine.engine.block import Block, Output
from etl_engine.errors import BadInput, Cancelled
from etl_engine.faultpoints import faultpoint
from etl_engine.model.execution import Graph, Node, Status


class Attempt(Protocol):
    """Who watches the run of a graph, and does the work of one node."""

    def work(self, node: Node, block: Block, inputs: Mapping[str, Output]) -> Output:
        """Raises what the block raises; Cancelled where the whole run is to end."""

    def failed(self, node: Node, error: Exception) -> None: ...


@dataclass
class Ending:
    """What became of each node; those that are in neither were not begun."""

    outputs: dict[str, Output] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)

    def status(self, graph: Graph) -> Status:
        ends = {node.id for node in graph.nodes} - {edge.source for edge in graph.edges}
        if self.errors:
            return Status.PARTIAL if ends & self.outputs.keys() else Status.FAILED
        rejected = sum(output.counters.rejected for output in self.outputs.values())
        return Status.PARTIAL if rejected else Status.SUCCESS


@cache
def blocks() -> Mapping[str, Block]:
    """Every kind of block there is."""
    from etl_engine.engine.blocks.copy import Copy
    from etl_engine.engine.blocks.mapping import Extract, Load, MapColumns

    return {"copy": Copy(), "db_extract": Extract(), "map": MapColumns(), "db_load": Load()}


def in_order(graph: Graph) -> list[Node]:
    """Each node behind those it depends on; BadInput where the graph is none."""
    nodes = {node.id: node for node in graph.nodes}
    if len(nodes) < len(graph.nodes):
        raise BadInput("Two blocks of the graph have the same id", hint="Give each block an id of its own.")
    for edge in graph.edges:
        for end in (edge.source, edge.target):
            if end not in nodes:
                raise BadInput(f"An edge leads to {end}, and there is no such block", hint="Remove the edge.")
    waits = {name: {edge.source for edge in graph.edges if edge.target == name} for name in nodes}
    ordered: list[Node] = []
    while waits:
        ready = [name for name, before in waits.items() if not before]
        if not ready:
            raise BadInput(f"The blocks {', '.join(waits)} wait for each other", hint="Remove one of their edges.")
        for name in ready:
            del waits[name]
            ordered.append(nodes[name])
        for before in waits.values():
            before.difference_update(ready)
    return ordered


def check(graph: Graph, known: Mapping[str, Block]) -> None:
    """BadInput where it cannot run."""
    for node in in_order(graph):
        if node.block not in known:
            raise BadInput(
                f"There is no block {node.block!r}", hint=f"Use one of: {', '.join(known)}.", context={"node": node.id}
            )


def run(graph: Graph, known: Mapping[str, Block], attempt: Attempt, done: Mapping[str, Output]) -> Ending:
    """Run what is not done yet. Raises Cancelled where the run is to end before its end."""
    ending = Ending(outputs=dict(done))
    for node in in_order(graph):
        if node.id in ending.outputs:
            continue
        before = [edge.source for edge in graph.edges if edge.target == node.id]
        if any(name not in ending.outputs for name in before):
            continue
        faultpoint("execution.task")
        try:
            inputs = {name: ending.outputs[name] for name in before}
            ending.outputs[node.id] = attempt.work(node, known[node.block], inputs)
        except Cancelled:
            raise
        except Exception as error:
            ending.errors[node.id] = error
            attempt.failed(node, error)
    return ending
