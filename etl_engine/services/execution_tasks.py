"""The tasks of one attempt, as stored: written by the attempt with the highest epoch only."""

from collections.abc import Mapping
from typing import Any

from etl_engine.engine.block import Output
from etl_engine.errors import Cancelled, DuplicateKey
from etl_engine.model.collections import TASKS
from etl_engine.model.execution import Counters, Failure, Graph, Node, Status
from etl_engine.services.context import Context
from etl_engine.services.execution_lease import Lease, Why
from etl_engine.store.contract import Document

# What stays where it is when the process that made it ends.
_LASTING = frozenset({"DB_TABLE", "S3_FILE", "ML_MODEL"})


class TaskBook:
    """Reads and writes the tasks of one attempt."""

    def __init__(self, ctx: Context, held: Document, lease: Lease) -> None:
        self._store = ctx.store
        self._held = held
        self._lease = lease

    def done_before(self, graph: Graph) -> dict[str, Output]:
        """What earlier attempts, or the execution that this one repeats, have finished and what is still there."""
        outputs = {}
        for node in graph.nodes:
            document = self._stored(self._held["_id"], node) or self._stored(self._held["retry_of_id"], node)
            if document is None or document["status"] != Status.SUCCESS.value:
                continue
            if (document["output_metadata"] or {}).get("type") not in _LASTING:
                continue
            outputs[node.id] = _output(document)
            if document["execution_id"] != self._held["_id"]:
                self._upsert(node, {**_values(document), "epoch": self._held["epoch"]})
        return outputs

    def begin(self, node: Node) -> Mapping[str, Any]:
        """What earlier attempts kept. From here on only this attempt writes the task."""
        begun = {
            "status": Status.RUNNING.value,
            "epoch": self._held["epoch"],
            "started_at": self._store.now(),
            "finished_at": None,
            "error": None,
        }
        before = self._stored(self._held["retry_of_id"], node)
        kept = dict(before["kept"]) if before else {}
        # A retry goes on where the failed execution was broken off; what that one had finished is another matter.
        fresh = {"counters": Counters().model_dump(), "output_metadata": None, "result": None}
        fresh["kept"] = {} if kept.get("complete") else kept
        return dict(self._upsert(node, begun, fresh)["kept"])

    def keep(self, node: Node, values: Mapping[str, Any]) -> None:
        self._write(node, {"kept": dict(values)})

    def done(self, node: Node, output: Output) -> None:
        news = {
            "status": Status.SUCCESS.value,
            "finished_at": self._store.now(),
            "counters": output.counters.model_dump(),
            "output_metadata": dict(output.metadata),
            "result": None if output.result is None else dict(output.result),
        }
        self._write(node, news)

    def failed(self, node: Node, failure: Failure, counters: Counters) -> None:
        news = {
            "status": Status.FAILED.value,
            "finished_at": self._store.now(),
            "error": failure.model_dump(),
            "counters": counters.model_dump(),
        }
        self._write(node, news)

    def _stored(self, execution_id: str | None, node: Node) -> Document | None:
        if execution_id is None:
            return None
        return next(iter(self._store.find(TASKS.name, {"execution_id": execution_id, "block_id": node.id})), None)

    def _upsert(self, node: Node, news: Mapping[str, Any], fresh: Mapping[str, Any] | None = None) -> Document:
        mine = {"execution_id": self._held["_id"], "block_id": node.id}
        whole = {**mine, "block": node.block, "title": node.title, **news, **(fresh or {})}
        older = {**mine, "epoch": {"$lt": self._held["epoch"]}}
        try:
            document = self._lease.patiently(lambda: self._store.update(TASKS.name, older, news, upsert=whole))
        except DuplicateKey:  # an attempt after this one has begun it
            document = None
        if document is None:
            raise self._lost()
        return document

    def _write(self, node: Node, news: Mapping[str, Any]) -> None:
        mine = {"execution_id": self._held["_id"], "block_id": node.id, "epoch": self._held["epoch"]}
        if self._lease.patiently(lambda: self._store.update(TASKS.name, mine, news)) is None:
            raise self._lost()

    def _lost(self) -> Cancelled:
        self._lease.end(Why.LOST)
        return Cancelled("Another attempt has taken this up")


def _values(document: Document) -> dict[str, Any]:
    left = ("_id", "execution_id", "block_id", "block", "title", "epoch")
    return {name: value for name, value in document.items() if name not in left}


def _output(document: Document) -> Output:
    return Output(
        counters=Counters.model_validate(document["counters"]),
        metadata=document["output_metadata"],
        result=document["result"],
    )
