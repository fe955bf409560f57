"""A source whose rows come out mapped: what a copy reads when columns become fields on the way."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from etl_engine.connectors.rows import ARROW, Fingerprint, KeyRange, Reject, Rows, Selection, Source, Totals, Window
from etl_engine.engine.mapping import Mapper
from etl_engine.engine.mapping_check import findings
from etl_engine.errors import BadInput, NotCapable, Rejected
from etl_engine.model.mapping import Rule
from etl_engine.model.table import Column, Table


class MappedSource(Source):
    """The rows of one query, as the fields of a target schema."""

    def __init__(self, inner: Source, rules: Sequence[Rule], target: Sequence[Column], key: Sequence[str] = ()) -> None:
        self._inner = inner
        self._rules = list(rules)
        self._target = tuple(target)
        self._key = tuple(key)
        self._described: Table | None = None
        # No engine's own: what leaves here has the types of the schema, and never the source's.
        self.identity = f"mapping:{inner.identity}"

    def describe(self, selection: Selection) -> Table:
        source = self._inner.describe(selection)
        found = findings(self._rules, self._target, source.columns)
        if found:
            first = found[0]
            who = "The column mappings" if first.rule is None else f"Column mapping {first.rule + 1}"
            problems = tuple(one.problem for one in found)
            raise BadInput(f"{who} {first.problem.message}", hint=first.problem.fix, problems=problems)
        if ARROW not in self._inner.forms(source):
            raise NotCapable("The source cannot give rows that are mapped", hint="Choose another connection.")
        self._described = source
        return Table(None, self._target, key=self._key, kind="query", rows=source.rows)

    def forms(self, table: Table) -> tuple[str, ...]:
        return (ARROW,)

    def begin(self, selection: Selection) -> Window | None:
        return self._inner.begin(selection)

    def pieces(self, table: Table, rows: int) -> list[KeyRange]:
        return [KeyRange(())]

    def read(self, selection: Selection, table: Table, form: str) -> Rows:
        source = self._described or self._inner.describe(selection)
        mapper = Mapper(self._rules, source.columns, self._target)
        rows = self._inner.read(replace(selection, columns=()), source, ARROW)
        return MappedRows(rows, mapper, table.names)

    def fingerprint(self, selection: Selection, columns: Sequence[Column], *, each: bool) -> Fingerprint:
        raise NotCapable("What a mapping makes of rows is in no source to be compared", hint="Run without comparing.")

    def limit_time(self, seconds: float) -> None:
        self._inner.limit_time(seconds)

    def end(self) -> None:
        self._inner.end()

    def stop(self) -> None:
        self._inner.stop()

    def close(self) -> None:
        self._inner.close()


class MappedRows(Rows):
    """Batches of the source, mapped as they go by; rows that do not fit go where rejected rows go."""

    form = ARROW

    def __init__(self, inner: Rows, mapper: Mapper, names: Sequence[str]) -> None:
        self._inner = inner
        self._mapper = mapper
        self._names = list(names)
        self._before = 0
        self._rows = 0

    @property
    def bytes_read(self) -> int:  # type: ignore[override] # what goes in is what moves, whatever comes out
        return self._inner.bytes_read

    def batches(self) -> Iterator[pa.RecordBatch]:
        self._inner.on_reject = self.on_reject
        for batch in self._inner.batches():
            mapped = self._mapper.apply(batch, first_row=self._before + 1, told=batch.num_rows * len(self._names))
            self._before += batch.num_rows
            for _, of_one_row in itertools.groupby(mapped.rejects, key=lambda reject: reject.row):
                self._reject(list(of_one_row))
            made = mapped.batch.select(self._names)
            self._rows += made.num_rows
            if made.num_rows:
                yield made

    def _reject(self, rejects: list[Reject]) -> None:
        first = rejects[0]
        if self.on_reject is not None:
            self.on_reject(first)
            return
        raise Rejected(
            f"Row {first.row}: the value {first.value!r} of {first.column} {first.reason}",
            native_code="does-not-fit",
            hint="Correct the column mapping, or keep rows that do not fit apart.",
        )

    def check(self) -> None:
        self._inner.check()

    def finish(self) -> Totals:
        totals = self._inner.finish()
        return Totals(self._rows, totals.bytes, totals.checksum)  # of what was read: the source sums it up already

    def close(self) -> None:
        self._inner.close()
