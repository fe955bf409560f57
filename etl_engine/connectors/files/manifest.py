"""The manifest of a written table: which files are its rows, what its columns are, and who may write it next.

It is the table's ledger as well, and it is put in place whole, if nobody else was first: rows, ledger line and cursor
become true in the same moment.
"""

import contextlib
import datetime as dt
import json
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from etl_engine.connectors.files.finding import Found
from etl_engine.connectors.files.folder import Folder, Hold
from etl_engine.connectors.files.formats import Shape
from etl_engine.connectors.files.stored import as_json, from_json
from etl_engine.connectors.files.tables import TableOfFiles
from etl_engine.connectors.rows import Claim, Entry, Mark, Moment, Reject
from etl_engine.errors import Conflict, Rejected, Stale, Throttled
from etl_engine.model.table import Column, TableName

LEDGER = "_etl"  # the folder inside the table's that holds it; names with an underscore are no data to any reader
_VERSION = 1
_TRIES = 200
_KEPT_ENTRIES = 200  # of runs that are over, besides the one the cursor stands on
_POLL_SECONDS = 0.1
_OURS = re.compile(r"part-([0-9a-f]{12})-(\d+)-[0-9a-f]{8}-\d+\.[a-z.]+")
_BESIDE = re.compile(r"(seen|rejects)-([0-9a-f]{12})-(\d+)-[0-9a-f]{8}\.jsonl")


@dataclass
class Manifest:
    """One state of a table."""

    columns: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    shape: Shape | None = None
    files: list[dict[str, Any]] = field(default_factory=list)
    streams: dict[str, dict[str, Any]] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)
    born: str = ""  # of the table: another one when it was dropped and made again
    exists: bool = False  # a claim alone makes no table

    @property
    def rows(self) -> int:
        return sum(one["rows"] for one in self.files)

    def table(self, folder: Folder, name: str) -> TableOfFiles:
        assert self.shape is not None  # noqa: S101 - of a table that exists
        items = []
        for one in self.files:
            item = folder.item(f"{name}/{one['name']}")
            if item is None or item.size != one["size"]:
                was = "is gone" if item is None else "has another size"
                raise Rejected(
                    f"The file {one['name']} of {name} {was}, and the manifest counts {one['rows']} rows in it",
                    kind=folder.kind,
                    hint="Put it back from a backup, or write the table anew: --mode replace.",
                )
            items.append(item)
        found = Found(TableName("", name), tuple(items), self.shape)
        return TableOfFiles(folder, found, self.columns, self.rows, declared=True)

    def as_bytes(self) -> bytes:
        shape = self.shape
        return json.dumps(
            {
                "etl_engine_manifest": _VERSION,
                "born": self.born,
                "exists": self.exists,
                "format": None if shape is None else [shape.format, shape.compression, shape.delimiter],
                "columns": as_json(self.columns),
                "key": list(self.key),
                "files": self.files,
                "streams": self.streams,
                "entries": self.entries,
            },
            ensure_ascii=False,
            indent=1,
        ).encode()


def path_of(name: str) -> str:
    return f"{name}/{LEDGER}/manifest.json"


def read_manifest(folder: Folder, name: str) -> Manifest | None:
    found = folder.read(path_of(name))
    return None if found is None else _parsed(folder, name, found[0])


def _parsed(folder: Folder, name: str, data: bytes) -> Manifest:
    try:
        told = json.loads(data)
        shape = {_VERSION: told["format"]}[told["etl_engine_manifest"]]
        return Manifest(
            from_json(told["columns"]),
            tuple(told["key"]),
            Shape(*shape) if shape else None,
            told["files"],
            told["streams"],
            told["entries"],
            told["born"],
            told["exists"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Rejected(
            f"The manifest {path_of(name)} was not written by this engine, or is damaged",
            kind=folder.kind,
            hint="Put it back from a backup, or take the table's folder away and copy anew.",
        ) from error


class Ledger:
    """The streams and entries of a document that is changed by compare and swap: a manifest, or one like it."""

    def __init__(self, folder: Folder, name: str, document: str = "") -> None:
        self.folder = folder
        self.name = name
        self.document = document or path_of(name)
        self._hold: Hold | None = None

    def read(self) -> Manifest:
        found = self.folder.read(self.document)
        return Manifest() if found is None else _parsed(self.folder, self.name, found[0])

    def change(self, work: Callable[[Manifest], None]) -> Manifest:
        """Apply `work` to the newest state; again, to a newer one, where somebody else was first."""
        for attempt in range(_TRIES):
            found = self.folder.read(self.document)
            state = Manifest() if found is None else _parsed(self.folder, self.name, found[0])
            work(state)
            if self.folder.swap(self.document, state.as_bytes(), found[1] if found else None) is not None:
                return state
            time.sleep(random.uniform(0, min(0.02 * (attempt + 1), 0.5)))  # noqa: S311 - to step out of each other's way
        raise Throttled(f"Too many others write to {self.name} at the same time", kind=self.folder.kind)

    def claim(self, stream: str, terms: str, *, fresh: bool, take_over: bool, mine: int = 0) -> Claim:
        displacing = take_over or (mine > 0 and self.read().streams.get(stream, {}).get("epoch") == mine)
        self._be_alone(stream, displacing)
        made: list[Claim] = []

        def work(state: Manifest) -> None:
            now = state.streams.setdefault(
                stream, {"epoch": 0, "run_id": "", "running": False, "terms": "", "plan": ""}
            )
            resumed = bool(now["running"]) and now["terms"] == terms and not fresh
            if now["running"] and now["terms"] != terms and not fresh:
                self._insist_on_nothing_half_done(state, stream, now["run_id"])
            if not resumed:
                now |= {"run_id": uuid4().hex, "plan": ""}
            now |= {"epoch": now["epoch"] + 1, "running": True, "terms": terms}
            if fresh:
                now["seen"] = ""
                for entry in state.entries:
                    if entry["stream"] == stream:
                        entry["moment"] = None
            made[:] = [Claim(stream, now["epoch"], now["run_id"], resumed, terms, now["plan"])]

        self.change(work)
        return made[0]

    def insist(self, state: Manifest, claim: Claim) -> None:
        if state.streams.get(claim.stream, {}).get("epoch") != claim.epoch:
            raise Stale("Another run has taken this copy over; what this one read is not written", hint="Let it run.")

    def keep_plan(self, claim: Claim, plan: str) -> None:
        def work(state: Manifest) -> None:
            self.insist(state, claim)
            state.streams[claim.stream]["plan"] = plan

        self.change(work)

    def finished(self, claim: Claim) -> None:
        def work(state: Manifest) -> None:
            now = state.streams.get(claim.stream, {})
            if now.get("epoch") == claim.epoch:
                now["running"] = False

        self.change(work)

    def entries(self, stream: str, run_id: str = "") -> list[Entry]:
        return entries_of(self.read(), stream, run_id)

    def release(self) -> None:
        if self._hold:
            self._hold.release()
            self._hold = None

    def clean(self, claim: Claim, state: Manifest) -> None:
        """Take away what earlier runs of this stream left without counting it; nothing else, and by exact names."""
        stream = claim.stream[:12]
        self.folder.sweep(self.name, (f".part-{stream}-",))
        counted = {one["name"] for one in state.files}
        for item in self.folder.items(self.name):
            name = item.path.removeprefix(f"{self.name}/")
            found = _OURS.fullmatch(name)
            if found and found[1] == stream and int(found[2]) < claim.epoch and name not in counted:
                self.folder.delete(item.path)

    def clean_beside(self, claim: Claim) -> None:
        """The same for what stands beside the ledger's lines. The rows kept apart by a run that is over stay, also when
        its line is no longer kept."""
        state, mine, within = self.read(), claim.stream[:12], f"{self.name}/{LEDGER}"
        self.folder.sweep(within, (f".seen-{mine}-", f".rejects-{mine}-"))
        now = state.streams[claim.stream]
        pending = now.get("pending", {}).values()
        known = {now.get("seen"), *(one["seen"] for one in pending)}
        known |= {one["rejects"] for one in (*state.entries, *(one["entry"] for one in pending))}
        last = max((one["epoch"] for one in state.entries if one["stream"] == claim.stream), default=0)
        all_lines_kept = claim.resumed or len(state.entries) < _KEPT_ENTRIES
        for item in self.folder.items(within):
            name = item.path.removeprefix(f"{within}/")
            found = _BESIDE.fullmatch(name)
            if not found or found[2] != mine or name in known or int(found[3]) >= claim.epoch:
                continue
            if found[1] == "seen" or int(found[3]) > last or (all_lines_kept and int(found[3]) == last):
                self.folder.delete(item.path)

    def _be_alone(self, stream: str, displacing: bool) -> None:
        until = time.monotonic() + self.folder.patience
        path = f"{self.name}/{LEDGER}/{stream[:12]}.lock"
        while self._hold is None:
            self._hold = self.folder.hold(path)
            if self._hold is not None or displacing:
                return
            if time.monotonic() > until:
                raise Conflict(
                    f"Another run of this copy into {self.name} is at work",
                    hint="Wait for its end, or put this one in its place with --take-over.",
                )
            time.sleep(_POLL_SECONDS)

    def _insist_on_nothing_half_done(self, state: Manifest, stream: str, run_id: str) -> None:
        done = entries_of(state, stream, run_id)
        if done:
            raise Conflict(
                f"An earlier run into {self.name} was broken off after {sum(entry.rows for entry in done)} rows, and "
                "it was ordered differently",
                hint="Finish it by ordering it again as it was, or forget it with --restart.",
            )


def part_name(claim: Claim, unit: str, number: int, ending: str) -> str:
    return f"part-{claim.stream[:12]}-{claim.epoch}-{unit[:8]}-{number}{ending}"


def counted(state: Manifest, entry: Entry, rejects: str = "") -> None:
    """Write the ledger line into the state, and forget the oldest ones of runs that are over.

    `rejects`: the file, in the ledger's folder, with the rows that were kept apart.
    """
    state.entries.append(
        {
            "stream": entry.stream,
            "batch_id": entry.batch_id,
            "run_id": entry.run_id,
            "seq": entry.seq,
            "rows": entry.rows,
            "bytes": entry.bytes,
            "checksum": entry.checksum,
            "epoch": entry.epoch,
            "cursor_in": _mark(entry.cursor_in),
            "cursor_out": _mark(entry.cursor_out),
            "moment": None
            if entry.moment is None
            else {
                "column": entry.moment.column,
                "reached": _mark(entry.moment.reached),
                "source": dict(entry.moment.source),
            },
            "rejected": entry.rejected,
            "rejects": rejects,
            "committed_at": dt.datetime.now(dt.UTC).isoformat(timespec="microseconds"),
        }
    )
    running = {one["run_id"] for one in state.streams.values() if one["running"]}
    old = [one for one in state.entries if one["run_id"] not in running and not _last_moment(state, one)]
    for one in old[:-_KEPT_ENTRIES]:
        state.entries.remove(one)


def _last_moment(state: Manifest, entry: dict[str, Any]) -> bool:
    if not entry["moment"]:
        return False
    return next(o for o in reversed(state.entries) if o["stream"] == entry["stream"] and o["moment"]) is entry


def entries_of(state: Manifest, stream: str, run_id: str = "") -> list[Entry]:
    found = [_entry(one) for one in state.entries if one["stream"] == stream]
    if run_id:
        return sorted((one for one in found if one.run_id == run_id), key=lambda one: one.seq)
    return [one for one in found if one.moment][-1:]


def _entry(told: dict[str, Any]) -> Entry:
    moment = told["moment"]
    line = {name: value for name, value in told.items() if name != "rejects"}
    return Entry(
        **{
            **line,
            "cursor_in": _read_mark(told["cursor_in"]),
            "cursor_out": _read_mark(told["cursor_out"]),
            "moment": moment and Moment(moment["column"], _read_mark(moment["reached"]), moment["source"]),
        }
    )


def _mark(mark: Mark | None) -> list[str] | None:
    return None if mark is None else [mark.text, mark.native]


def _read_mark(told: list[str] | None) -> Mark | None:
    return None if told is None else Mark(*told)


def delete_quietly(folder: Folder, paths: list[str]) -> None:
    """What no longer counts; where one cannot be taken away now, the next run of the stream does it."""
    for path in paths:
        with contextlib.suppress(Exception):
            folder.delete(path)


def write_beside(folder: Folder, path: str, data: bytes) -> None:
    """A new file in the ledger's folder."""
    sink = folder.create(path)
    try:
        sink.write(data)
        sink.finish()
        sink.publish()
    except BaseException:
        sink.discard()
        raise
    sink.release()


def rejects_text(rejects: Sequence[Reject]) -> bytes:
    lines = [
        json.dumps(
            {
                "row": one.row,
                "column": one.column,
                "value": one.value,
                "reason": one.reason,
                "content": one.content,
            },
            ensure_ascii=False,
        )
        for one in rejects
    ]
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")
