"""One read of a DuckDB file as record batches, which the library streams."""

import json
import re
from collections.abc import Generator, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.arrow_rows import ArrowRows
from etl_engine.connectors.carriers import carried
from etl_engine.connectors.duck.refusals import KIND, translated
from etl_engine.connectors.duck.session import Session
from etl_engine.connectors.duck.types import is_nested
from etl_engine.connectors.rows import Reject
from etl_engine.errors import Rejected
from etl_engine.model.table import Column, Family

_ROWS = 32_768
_FEW_ROWS = 2_048  # what the library reads at once, whatever it is told
_WIDE = (Family.TEXT, Family.BYTES, Family.JSON, Family.ARRAY, Family.OTHER)
_MAY_BE_NO_JSON = re.compile(r"\b(FLOAT|DOUBLE)\b")
_NO_NUMBER = r"(?:^|[\[:,])-?(?:NaN|nan|Infinity|inf)"
_SHOWN = 200


class DuckdbRows(ArrowRows):
    """The rows of one statement, whose columns are expressions of `types.reading`."""

    def __init__(
        self,
        session: Session,
        statement: str,
        values: Sequence[Any],
        columns: tuple[Column, ...],
        extras: Sequence[str],
        what: str,
    ) -> None:
        super().__init__(what)
        self._session = session
        self._statement = statement
        self._values = list(values)
        self._columns = columns
        self._schema = pa.schema([*carried(columns), *(pa.field(name, pa.string()) for name in extras)])
        self._suspects = [
            number
            for number, column in enumerate(columns)
            if is_nested(column.native) and _MAY_BE_NO_JSON.search(column.native)
        ]
        self._taken = 0

    def _make(self) -> Generator[pa.RecordBatch, None, None]:
        wide = any(column.type.family in _WIDE for column in self._columns)
        reader = None
        try:
            relation = self._session.connection.sql(self._statement, params=self._values)
            reader = relation.to_arrow_reader(_FEW_ROWS if wide else _ROWS)
            del relation
            for batch in reader:
                made = self._checked(self._cast(batch))
                self._taken += batch.num_rows
                if made.num_rows:
                    yield made
        except duckdb.Error as error:
            raise translated(error, self._session.file, f"reading {self._what}") from error
        except pa.ArrowInvalid as error:  # what the library raises while it streams comes through Arrow
            raise translated(_library_error(error), self._session.file, f"reading {self._what}") from error
        finally:
            # A stream that is left open, even in a traceback that somebody keeps, keeps the file open: opening it again
            # would then wait for ever.
            if reader is not None:
                reader.close()
            reader = None

    def _cast(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [
            values if values.type == field.type else values.cast(field.type)
            for values, field in zip(batch.columns, self._schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _checked(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Lists and structs travel as JSON, which has no NaN and no infinity."""
        unfit: dict[int, int] = {}
        for number in self._suspects:
            texts = batch.column(number)
            flagged = pc.indices_nonzero(pc.fill_null(pc.match_substring_regex(texts, _NO_NUMBER), False)).to_pylist()
            for row in flagged:
                if not _is_json(texts[row].as_py()):
                    unfit.setdefault(row, number)
        if not unfit:
            return batch
        for row in sorted(unfit):
            self._keep_back(batch, row, unfit[row])
        return batch.filter(pa.array([row not in unfit for row in range(batch.num_rows)]))

    def _keep_back(self, batch: pa.RecordBatch, row: int, at: int) -> None:
        column, value = self._columns[at], str(batch.column(at)[row].as_py())[:_SHOWN]
        number, reason = self._taken + row + 1, "has a NaN or an infinity in it, which JSON cannot write"
        if self.on_reject is None:
            raise Rejected(
                f"Row {number} of {self._what}: the value {value!r} in the column {column.name} "
                f"({column.native}) {reason}",
                kind=KIND,
                hint="Repair it with --query, or keep such rows apart with --on-reject quarantine.",
            )
        texts = {
            one.name: None if batch.column(place)[row].as_py() is None else str(batch.column(place)[row].as_py())
            for place, one in enumerate(self._columns)
        }
        self.on_reject(Reject(number, column.name, value, reason, json.dumps(texts, ensure_ascii=False)))


def _library_error(error: Exception) -> duckdb.Error:
    if "INTERRUPT" in str(error):
        return duckdb.InterruptException(str(error))
    return duckdb.InvalidInputException(str(error))


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return False
    return True


def _no_constant(name: str) -> None:
    raise ValueError(name)
