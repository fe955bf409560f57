"""Rows that wait on this machine until it is known which of them are new: in a file without a name."""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.connectors.carriers import carrier
from etl_engine.connectors.rows import Rows
from etl_engine.errors import Rejected
from etl_engine.faultpoints import faultpoint
from etl_engine.model.table import Column


class Stage:
    """Written once, read as often as wanted; gone with the process, however that ends."""

    def __init__(self, columns: Sequence[Column], kind: str) -> None:
        self._kind = kind
        self._schema = pa.schema([(one.name, carrier(one.type)) for one in columns])
        self._file = tempfile.TemporaryFile(prefix="etl-engine-")  # noqa: SIM115 - closed by close()
        self._kept: dict[int, pa.Array] = {}  # by batch: which of its rows are still in
        self.rows = 0

    def load(self, rows: Rows, names: Sequence[str]) -> int:
        schema = pa.schema([self._schema.field(name) for name in names])
        try:
            with pa.ipc.new_file(pa.PythonFile(self._file, "w"), schema) as writer:
                for number, batch in enumerate(rows.batches()):
                    if number:
                        faultpoint("copy.loading")
                    writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
                    self.rows += batch.num_rows
        except OSError as error:
            raise Rejected(
                f"The rows that wait to be written do not fit into {tempfile.gettempdir()}: {error}",
                kind=self._kind,
                hint="Free space there, or set TMPDIR to a larger disk.",
            ) from error
        return self.rows

    def batches(self) -> Iterator[pa.RecordBatch]:
        for number, batch in self._all():
            keep = self._kept.get(number)
            yield batch if keep is None else batch.filter(keep)

    def schema_of_rows(self) -> pa.Schema:
        return self._schema

    def schema(self, names: Sequence[str]) -> pa.Schema:
        return pa.schema([self._schema.field(name) for name in names])

    def keep(self, number: int, mask: pa.Array) -> None:
        self._kept[number] = mask

    def numbered(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        return self._all()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what could not be written is tried once more, and nobody wants it now
            self._file.close()

    def _all(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        if not self.rows:
            return
        self._file.seek(0)
        reader = pa.ipc.open_file(pa.PythonFile(self._file, "r"))
        for number in range(reader.num_record_batches):
            yield number, reader.get_batch(number)


class Seen:
    """Rows of a stream that a later run may read again, by key, cursor and, where there is one, version."""

    def __init__(self, data: bytes = b"") -> None:
        self._rows: dict[tuple[str, str | None], set[str | None]] = {}
        for line in data.splitlines():
            key, version, cursor = json.loads(line)
            self.add(key, version, cursor)

    def add(self, key: str, version: str | None, cursor: str | None) -> None:
        self._rows.setdefault((key, cursor), set()).add(version)

    def has(self, key: str, version: str | None, cursor: str | None, *, versions_hold: bool) -> bool:
        versions = self._rows.get((key, cursor))
        if versions is None:
            return False
        return not versions_hold or version is None or None in versions or version in versions

    def as_bytes(self) -> bytes:
        lines = [
            json.dumps([key, version, cursor], ensure_ascii=False)
            for (key, cursor), versions in self._rows.items()
            for version in versions
        ]
        return "\n".join(lines).encode("utf-8", "surrogatepass")


def drop_seen(stage: Stage, seen: Seen, key: Sequence[str], version: Sequence[str], *, versions_hold: bool) -> int:
    dropped = 0
    for number, batch in stage.numbered():
        known = [
            seen.has(one, row_version, cursor, versions_hold=versions_hold)
            for one, row_version, cursor in _identities(batch, key, version)
        ]
        if any(known):
            dropped += sum(known)
            stage.keep(number, pc.invert(pa.array(known)))
    return dropped


def remembered(stage: Stage, key: Sequence[str], version: Sequence[str]) -> Seen:
    """Of all staged rows, also of those that were dropped: they may come once more."""
    seen = Seen()
    for _, batch in stage.numbered():
        again = batch.column(version[2]).to_pylist()
        for (one, row_version, cursor), may in zip(_identities(batch, key, version), again, strict=True):
            if may == "true":
                seen.add(one, row_version, cursor)
    return seen


def _identities(
    batch: pa.RecordBatch, key: Sequence[str], version: Sequence[str]
) -> Iterator[tuple[str, str | None, str | None]]:
    from etl_engine.connectors.files.out import texts

    keys: Any = zip(*(texts(batch.column(name)).to_pylist() for name in key), strict=True)
    versions, cursors = (batch.column(name).to_pylist() for name in version[:2])
    for one, row_version, cursor in zip(keys, versions, cursors, strict=True):
        yield json.dumps(one, ensure_ascii=False), row_version, cursor
