"""Preview of a query: read-only by the server's own means, bounded in time, rows and bytes, and stopped on demand."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from etl_engine.connectors.carriers import carried
from etl_engine.connectors.rows import ARROW, Reads, Reject, Rows, Selection, Source
from etl_engine.connectors.statements import insist_on_a_query
from etl_engine.engine.mapping import Mapper
from etl_engine.engine.mapping_check import findings
from etl_engine.engine.mapping_texts import in_text
from etl_engine.errors import BadInput, Cancelled, ConnectorError, NotCapable, Rejected
from etl_engine.model.mapping import MappingProblem, Rule
from etl_engine.model.preview import Cells, Preview, PreviewColumn, PreviewOrder, PreviewReject, PreviewResult
from etl_engine.model.schema import house_columns
from etl_engine.model.table import Column, Family, Table
from etl_engine.services import access, connection_documents, schemas
from etl_engine.services.capabilities import open_as
from etl_engine.services.context import Context
from etl_engine.services.mapping_documents import order_of, schema_columns, told

SECONDS = 10.0
CELL_CHARACTERS = 1000
TOTAL_CHARACTERS = 2_000_000
# Rows come in batches of at most 8 MiB, or of one row; beyond this no more of them are taken.
TOTAL_BYTES = 32 << 20
_LATER = "required-unmapped"  # rows can be shown before every field is mapped
# What PostgreSQL calls a column that has no name.
_NAMELESS = ("", "?column?")


def show(ctx: Context, order: Mapping[str, Any], *, gone: threading.Event | None = None) -> Preview:
    """The first rows of a query; with a schema and column mappings, what becomes of them.

    BadInput where it is not one query, or has columns without a name of their own. `gone` is set by who does not want
    the answer any more: the server is then told to stop.
    """
    access.require(ctx, "mapping:preview")
    wanted = order_of(PreviewOrder, order, "preview")
    rules, target = wanted.column_mappings, _target(ctx, wanted.target_schema_id)
    kind = connection_documents.stored(ctx, wanted.source_connection_id)["db_type"]
    insist_on_a_query(wanted.source_query, kind)
    started = time.monotonic()
    with open_as(ctx, wanted.source_connection_id, Reads) as connector, _limited(connector, gone) as source:
        seen = _seen(source, wanted.source_query, wanted.limit)
    shown, cut = _texts(seen.batch, seen.columns)
    problems: list[MappingProblem] = []
    result = None
    if target is not None:
        problems = told(findings(rules, target, seen.columns))
        if all(one.code == _LATER for one in problems):
            result = _result(rules, target, seen)
    return Preview(
        columns=_described(seen.columns),
        rows=shown,
        more=seen.more,
        cut=cut,
        milliseconds=round((time.monotonic() - started) * 1000, 1),
        problems=problems,
        result=result,
    )


def columns(ctx: Context, connection_id: str, query: str) -> tuple[Column, ...]:
    """What a query answers, without running it: names and types, each column with a name of its own."""
    access.require(ctx, "mapping:preview")
    insist_on_a_query(query, connection_documents.stored(ctx, connection_id)["db_type"])
    with open_as(ctx, connection_id, Reads) as connector, _limited(connector, None) as source:
        return _named(source.describe(Selection(query=query))).columns


def sampled(
    ctx: Context, connection_id: str, query: str, *, limit: int = 50, gone: threading.Event | None = None
) -> "Sample":
    """Rows to try a mapping on, again and again, without asking their source each time. Limit 0 asks for none."""
    access.require(ctx, "mapping:preview")
    insist_on_a_query(query, connection_documents.stored(ctx, connection_id)["db_type"])
    order = {"source_connection_id": connection_id, "source_query": query, "limit": limit or 1}
    order_of(PreviewOrder, order, "preview")
    started = time.monotonic()
    with open_as(ctx, connection_id, Reads) as connector, _limited(connector, gone) as source:
        if limit:
            seen = _seen(source, query, limit)
        else:
            described = _named(source.describe(Selection(query=query))).columns
            seen = Sample(described, pa.RecordBatch.from_pylist([], schema=carried(described)), more=True)
    return replace(seen, milliseconds=round((time.monotonic() - started) * 1000, 1))


def tried(ctx: Context, sample: "Sample", rules: Sequence[Rule], schema_id: str | None) -> Preview:
    """What a mapping makes of rows that were read before."""
    access.require(ctx, "mapping:preview")
    target = _target(ctx, schema_id)
    shown, cut = _texts(sample.batch, sample.columns)
    problems = told(findings(rules, target, sample.columns)) if target is not None else []
    sound = target is not None and all(one.code == _LATER for one in problems)
    return Preview(
        columns=_described(sample.columns),
        rows=shown,
        more=sample.more,
        cut=cut,
        milliseconds=sample.milliseconds,
        problems=problems,
        result=_result(rules, target, sample) if target is not None and sound else None,
    )


@dataclass(frozen=True)
class Sample:
    """The first rows of a query, as they were read."""

    columns: tuple[Column, ...]
    batch: pa.RecordBatch
    more: bool
    milliseconds: float = 0.0


@contextlib.contextmanager
def _limited(connector: Reads, gone: threading.Event | None) -> Iterator[Source]:
    """A source whose statements end in time: by the server where it can, and from outside where it does not."""
    source = connector.open_source()
    over, late = threading.Event(), threading.Event()

    def watch() -> None:
        end = time.monotonic() + SECONDS + 1
        while not over.wait(0.05):
            late_now = time.monotonic() > end
            if late_now or (gone is not None and gone.is_set()):
                if late_now:
                    late.set()
                source.stop()
                return

    watcher = threading.Thread(target=watch, daemon=True, name="preview limit")
    watcher.start()
    started = time.monotonic()
    try:
        source.limit_time(SECONDS)
        yield source
    except (Cancelled, ConnectorError):
        if gone is not None and gone.is_set():
            raise Cancelled("Nobody waits for the preview any more") from None
        if late.is_set() or time.monotonic() - started >= SECONDS * 0.9:
            raise Rejected(
                f"The query gave no rows within {SECONDS:.0f} seconds, and was stopped",
                native_code="too-slow",
                hint="Narrow it with WHERE, or look at a smaller table.",
            ) from None
        raise
    finally:
        over.set()
        watcher.join()
        source.close()


def _seen(source: Source, query: str, limit: int) -> Sample:
    selection = Selection(query=query, enough=limit + 1)
    table = _named(source.describe(Selection(query=query)))
    if ARROW not in source.forms(table):
        raise NotCapable("Rows of this kind of connection cannot be shown yet", hint="Choose another connection.")
    source.begin(selection)
    try:
        rows = source.read(selection, table, ARROW)
        rows.on_reject = _ignored
        try:
            batch, more = _first(rows, limit)
        finally:
            rows.close()
    finally:
        source.end()
    if batch is None:
        batch = pa.RecordBatch.from_pylist([], schema=carried(table.columns))
    return Sample(table.columns, batch, more)


def _ignored(_reject: Reject) -> None:
    """A row that its own source cannot give as it is declared is left out of the picture."""


def _first(rows: Rows, limit: int) -> tuple[pa.RecordBatch | None, bool]:
    """The first rows, from as many batches as it takes and as memory allows; and whether there are more."""
    taken: list[pa.RecordBatch] = []
    missing, size, more = limit, 0, False
    for batch in rows.batches():
        full = not missing or size >= TOTAL_BYTES
        more = batch.num_rows > (0 if full else missing)
        if not full:
            taken.append(batch.slice(0, missing))
            missing -= taken[-1].num_rows
            size += batch.nbytes
        if full or more:
            break
    if not taken:
        return None, False
    whole = pa.Table.from_batches(taken).combine_chunks().to_batches()
    return (whole[0] if whole else taken[0]), more


def _named(table: Table) -> Table:
    """The same, or BadInput: a column mapping needs to say which column it means."""
    for place, column in enumerate(table.columns, 1):
        if column.name in _NAMELESS:
            raise BadInput(f"Column {place} of the query has no name", hint="Give it one with AS.")
    names = [column.name for column in table.columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"The query has several columns named {twice!r}", hint="Give each a name of its own with AS.")
    if not names:
        raise BadInput("The query answers no columns", hint="Name the columns behind SELECT.")
    return table


def _target(ctx: Context, schema_id: str | None) -> tuple[Column, ...] | None:
    if schema_id is None:
        return None
    return house_columns(schema_columns(schemas.SHELF.stored(ctx, schema_id)))


def _result(rules: Sequence[Rule], target: tuple[Column, ...], seen: Sample) -> PreviewResult:
    lenient = tuple(column for column in target if any(column.name in rule.target_fields for rule in rules))
    if not lenient:  # Arrow does not know how many rows a batch without columns has
        return PreviewResult(columns=[], rows=[[] for _ in range(seen.batch.num_rows)], rejects=[], counts={})
    cells = seen.batch.num_rows * len(lenient)
    mapped = Mapper(rules, seen.columns, lenient).apply(seen.batch, told=cells)
    texts, _ = _texts(mapped.batch, lenient)
    rejected = {reject.row for reject in mapped.rejects}
    following = iter(texts)
    rows = [None if number in rejected else next(following) for number in range(1, seen.batch.num_rows + 1)]
    rejects = [
        PreviewReject(row=one.row, column=one.column, value=one.value, reason=one.reason) for one in mapped.rejects
    ]
    return PreviewResult(columns=_described(lenient), rows=rows, rejects=rejects, counts=dict(mapped.counts))


def _described(columns_: Sequence[Column]) -> list[PreviewColumn]:
    return [
        PreviewColumn(name=one.name, native=one.native, family=one.type.family.value, nullable=one.nullable)
        for one in columns_
    ]


def _texts(batch: pa.RecordBatch, columns_: Sequence[Column]) -> tuple[list[Cells], int]:
    """Rows of exact texts, within the cap, and how many values had to be cut for it."""
    most = max(20, min(CELL_CHARACTERS, TOTAL_CHARACTERS // max(1, batch.num_rows * len(columns_))))
    cut = 0
    shown: list[Cells] = []
    for place, column in enumerate(columns_):
        values = _plain(batch.column(place), column)
        long = [text is not None and len(text) > most for text in values]
        cut += sum(long)
        shown.append(
            [f"{text[: most - 1]}…" if text and is_long else text for text, is_long in zip(values, long, strict=True)]
        )
    return [list(row) for row in zip(*shown, strict=True)], cut


def _plain(array: pa.Array, column: Column) -> Cells:
    if column.type.family is Family.BYTES and pa.types.is_binary(array.type):
        return [None if value is None else "\\x" + value[: CELL_CHARACTERS + 1].hex() for value in array.to_pylist()]
    texts: Cells = in_text(array, column.type).to_pylist()
    return texts
