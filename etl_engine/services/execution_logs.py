"""The log of an execution: lines in append-only segments, one document for each flush, paged by line number."""

import base64
import datetime as dt
import json
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from etl_engine.errors import DuplicateKey, StoreUnavailable
from etl_engine.logs import escaped
from etl_engine.masking import masked
from etl_engine.model.collections import EXECUTIONS, LOG_SEGMENTS
from etl_engine.model.execution import Level, LogLine, Origin, Status
from etl_engine.services import access
from etl_engine.services.context import Context
from etl_engine.services.execution_documents import stored
from etl_engine.store.contract import Document

SEGMENT_LINES = 500
SEGMENT_SECONDS = 1.0
LONGEST_LINE = 4_000
_WEIGHTS = {level: weight for weight, level in enumerate(Level)}
# What is kept while the store is away; the oldest lines go first, and the log says how many.
_MOST_WAITING = 20_000
_SEGMENTS_AT_ONCE = 8
_PURGED_AT_ONCE = 200


@dataclass(frozen=True)
class Search:
    """Which lines of a log are wanted. Empty means every one, from the first."""

    after: int = 0  # lines behind this number, in order
    before: int | None = None  # or: the last lines before this number
    level: Level = Level.DEBUG  # and worse
    origins: tuple[Origin, ...] = ()
    text: str = ""
    limit: int = SEGMENT_LINES


@dataclass(frozen=True)
class Lines:
    """Lines in order. `last` is the number of the log's last line, so a reader knows whether it is at the end."""

    items: list[LogLine]
    more: bool
    last: int
    ended: bool  # the execution writes no more


def page(ctx: Context, execution_id: str, search: Search) -> Lines:
    """Lines of a log that match, oldest first; with `before` the last ones in front of that line."""
    access.require(ctx, "execution:read")
    document = stored(ctx, execution_id)  # before the lines: what it says to be the last line is there then
    found: list[LogLine] = []
    backwards = search.before is not None
    for line in _matching(ctx, execution_id, search):
        found.append(line)
        if len(found) > search.limit:
            break
    more = len(found) > search.limit
    items = found[: search.limit]
    ended = Status(document["status"]) not in (Status.PENDING, Status.RUNNING, Status.LOST)
    return Lines(items[::-1] if backwards else items, more, document["log_lines"], ended)


def purge(ctx: Context, days: int) -> int:
    """Delete segments older than so many days; answers how many."""
    access.require(ctx, "execution:work")
    old = {"last_at": {"$lt": ctx.store.now() - dt.timedelta(days=days)}}
    deleted = 0
    while found := ctx.store.find(LOG_SEGMENTS.name, old, sort=[("last_at", 1)], limit=_PURGED_AT_ONCE):
        deleted += ctx.store.delete(LOG_SEGMENTS.name, {"_id": {"$in": [one["_id"] for one in found]}})
        if len(found) < _PURGED_AT_ONCE:
            break
    return deleted


class RunLog:
    """Writes the log of one attempt. Thread-safe; lines of an attempt that was given up for lost are thrown away."""

    def __init__(self, ctx: Context, held: Document) -> None:
        self._ctx = ctx
        self._held = {"_id": held["_id"], "status": Status.RUNNING.value, "epoch": held["epoch"]}
        self._waiting: deque[tuple[int, Level, Origin, str, str]] = deque()
        self._dropped = 0
        self._flushing = threading.Lock()
        self._flushed = time.monotonic()

    def write(self, level: Level, origin: Origin, message: str, task: str = "") -> None:
        text = escaped(masked(message)).replace("\0", "")[:LONGEST_LINE]
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append((time.time_ns() // 1_000_000, level, origin, task, text))
        if len(self._waiting) >= SEGMENT_LINES:
            self.flush()

    def flush_if_due(self) -> None:
        if self._waiting and time.monotonic() - self._flushed >= SEGMENT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits. A store that is away leaves it waiting."""
        with self._flushing:
            self._flushed = time.monotonic()
            try:
                while self._waiting and self._write_segment():
                    pass
            except StoreUnavailable:
                return

    def _write_segment(self) -> bool:
        lines = list(self._waiting)[:SEGMENT_LINES]
        if self._dropped:
            note = f"{self._dropped} lines were lost while the store could not be reached"
            lines = [(lines[0][0], Level.WARNING, Origin.ENGINE, "", note), *lines[: SEGMENT_LINES - 1]]
        document = self._ctx.store.update(EXECUTIONS.name, self._held, increment={"log_lines": len(lines)})
        if document is None:
            self._waiting.clear()
            return False
        first = document["log_lines"] - len(lines) + 1
        try:
            self._ctx.store.insert(LOG_SEGMENTS.name, _segment(self._held["_id"], first, lines))
        except DuplicateKey:  # the insert of an attempt before this one came through, though its answer did not
            return True
        for _ in range(len(lines) - bool(self._dropped)):
            self._waiting.popleft()
        self._dropped = 0
        return True


def _segment(execution_id: str, first: int, lines: list[tuple[int, Level, Origin, str, str]]) -> dict[str, Any]:
    packed = json.dumps(lines, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    origins = sorted({origin.value for _, _, origin, _, _ in lines})
    return {
        "execution_id": execution_id,
        "first_seq": first,
        "last_seq": first + len(lines) - 1,
        "last_at": _moment(lines[-1][0]),
        "worst": max(_WEIGHTS[level] for _, level, _, _, _ in lines),
        "origins": f" {' '.join(origins)} ",
        "text": "\n".join(text for *_, text in lines).casefold(),
        "packed": base64.b64encode(zlib.compress(packed, 1)).decode(),
    }


def _matching(ctx: Context, execution_id: str, search: Search) -> Iterator[LogLine]:
    """Segments that cannot hold a match are not read."""
    backwards = search.before is not None
    where: dict[str, Any] = {"execution_id": execution_id}
    if search.before is not None:
        where["first_seq"] = {"$lt": search.before}
    if search.after:
        where["last_seq"] = {"$gt": search.after}
    if _WEIGHTS[search.level]:
        where["worst"] = {"$gte": _WEIGHTS[search.level]}
    if search.text.strip():
        where["text"] = {"$has": escaped(search.text.strip()).casefold()}
    if search.origins:
        where["$or"] = [{"origins": {"$has": f" {origin.value} "}} for origin in search.origins]
    last: Document | None = None
    at_once = 2  # most pages need no more
    while True:
        sort = [("first_seq", -1 if backwards else 1)]
        segments = ctx.store.find(LOG_SEGMENTS.name, where, sort=sort, limit=at_once, after=last)
        for segment in segments:
            lines = [line for line in _unpacked(segment) if _wanted(line, search)]
            yield from reversed(lines) if backwards else lines
        if len(segments) < at_once:
            return
        last, at_once = segments[-1], _SEGMENTS_AT_ONCE


def _unpacked(segment: Document) -> Iterable[LogLine]:
    lines = json.loads(zlib.decompress(base64.b64decode(segment["packed"])))
    for seq, (at, level, origin, task, text) in enumerate(lines, segment["first_seq"]):
        yield LogLine.model_construct(
            seq=seq, at=_moment(at), level=Level(level), origin=Origin(origin), task=task, message=text
        )


def _wanted(line: LogLine, search: Search) -> bool:
    return (
        line.seq > search.after
        and (search.before is None or line.seq < search.before)
        and _WEIGHTS[line.level] >= _WEIGHTS[search.level]
        and (not search.origins or line.origin in search.origins)
        and (not search.text.strip() or escaped(search.text.strip()).casefold() in line.message.casefold())
    )


def _moment(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
