"""Lines of a ledger as they are stored: cursors and moments as JSON texts."""

import contextlib
import json
from typing import Any

from etl_engine.connectors.rows import Entry, Mark, Moment, Reject
from etl_engine.errors import Rejected


def entry(row: tuple[Any, ...]) -> Entry:
    stream, batch_id, run_id, seq, rows, size, checksum, epoch, cursor_in, cursor_out, moment, at, rejected = row
    return Entry(
        stream,
        batch_id,
        run_id,
        seq,
        rows,
        size,
        checksum,
        epoch,
        _read(cursor_in),
        _read(cursor_out),
        _moment(moment),
        at,
        rejected,
    )


def reject(one: Reject) -> tuple[int, str, str, str, str]:
    """Its line in `_etl_rejects`, behind the stream, batch and run."""
    return one.row, one.column, one.value, one.reason, one.content


def written(mark: Mark | None) -> str | None:
    return None if mark is None else json.dumps([mark.text, mark.native], ensure_ascii=False)


def _read(text: str | None) -> Mark | None:
    return None if text is None else Mark(*json.loads(text))


def moment_text(moment: Moment) -> str:
    return json.dumps(
        {"column": moment.column, "reached": written(moment.reached), "source": dict(moment.source)},
        ensure_ascii=False,
    )


def _moment(text: str | None) -> Moment | None:
    if text is None:
        return None
    read: Any = None
    with contextlib.suppress(ValueError):
        read = json.loads(text)
    if not isinstance(read, dict) or "column" not in read:
        raise Rejected("The ledger has a cursor that was not written by this engine", hint="Begin anew with --restart.")
    return Moment(read["column"], _read(read["reached"]), read["source"])
