"""One commit to a Delta table: its files, or a merge, with the number by which the ledger knows that it was done.

Delta keeps, for each application, the last number it committed, and lets no two commits with a number for the same
application pass each other: that is the fence. What the number stands for is written down beside the table before the
commit, and counts as soon as Delta has the number.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction, WriterProperties
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from etl_engine.connectors.files.folder import Item, Sink
from etl_engine.connectors.files.formats import Shape
from etl_engine.connectors.files.manifest import LEDGER, part_name, rejects_text, write_beside
from etl_engine.connectors.files.out import NULL_REFUSED, Files, foreseen_nulls
from etl_engine.connectors.files.stage import Seen, Stage, drop_seen, remembered
from etl_engine.connectors.lake.newest import keep_newest
from etl_engine.connectors.lake.place import KEY, Lake
from etl_engine.connectors.lake.refusals import KIND, told, translated
from etl_engine.connectors.lake.streams import LakeLedger
from etl_engine.connectors.lake.types import arrow_schema, columns_of
from etl_engine.connectors.rows import Claim, Entry, Foreseen, Place, Reject, Rows, Unit, UnknownCommit
from etl_engine.errors import EtlError, Rejected, Stale, Unreachable
from etl_engine.faultpoints import faultpoint
from etl_engine.model.table import Column, TableName

_FILE_BYTES = 256 << 20
_COMMIT_RETRIES = 50  # appends of many processes pass each other by trying again
_SHAPE = Shape("parquet")


class LakeUnit(Unit):
    """Begins with nothing, and leaves nothing that counts unless it is committed."""

    def __init__(self, lake: Lake, ledger: LakeLedger, claim: Claim, name: TableName) -> None:
        self._lake = lake
        self._ledger = ledger
        self._claim = claim
        self._name = name.name
        self._mark = uuid4().hex
        self._made: tuple[Column, ...] | None = None  # the columns of a new table
        self._added: tuple[Column, ...] = ()
        self._key: tuple[str, ...] = ()
        self._replacing = False
        self._files: Files | None = None
        self._stage: Stage | None = None
        self._merge: tuple[Sequence[str], Sequence[str]] | None = None
        self._settled: int | None = None  # how many staged rows are left after they were settled
        self._seen: bytes | None = None
        self._rejects: tuple[Reject, ...] = ()
        self._entry: Entry | None = None
        self._unknown = False

    def create(self, place: Place, columns: Sequence[Column], key: Sequence[str] = ()) -> None:
        if place is Place.STAGE:
            self._stage = Stage(columns, KIND)
            return
        self._replacing = place is Place.SUCCESSOR
        self._key = tuple(key)
        if self._lake.open(self._name) is None:
            self._made = tuple(columns)

    def add_columns(self, columns: Sequence[Column]) -> None:
        self._added = tuple(replace(column, nullable=True) for column in columns)

    def load(self, rows: Rows, place: Place, columns: Sequence[str]) -> int:
        if place is Place.STAGE:
            return self._staged().load(rows, columns)
        files, loaded = self._into(), 0
        for number, batch in enumerate(rows.batches()):
            if number:
                faultpoint("copy.loading")
            files.write(batch.rename_columns(list(columns)))
            loaded += batch.num_rows
        return loaded

    def append_staged(self, columns: Sequence[str]) -> int:
        written, files = 0, self._into()
        for batch in self._staged().batches():
            if batch.num_rows:
                files.write(batch.select(list(columns)))
                written += batch.num_rows
        return written

    def drop_seen(self, key: Sequence[str], version: Sequence[str], *, versions_hold: bool) -> int:
        path = self._ledger.seen(self._claim.stream)
        found = self._lake.folder.read(f"{self._name}/{LEDGER}/{path}") if path else None
        seen = Seen(found[0] if found else b"")
        return drop_seen(self._staged(), seen, key, version, versions_hold=versions_hold)

    def remember_seen(self, key: Sequence[str], version: Sequence[str]) -> None:
        self._seen = remembered(self._staged(), key, version).as_bytes()

    def merge_staged(self, columns: Sequence[str], key: Sequence[str], newest: str, *, distinct: bool) -> int:
        stage = self._staged()
        missing = sum(
            sum(map(any, zip(*(batch.column(name).is_null().to_pylist() for name in key), strict=True)))
            for batch in stage.batches()
        )
        if missing:
            raise Rejected(
                f"{missing} row{'s have' if missing > 1 else ' has'} NULL in the key ({', '.join(key)}): they cannot "
                "be told apart, and merging them would write them again every time",
                kind=KIND,
                hint="Repair them in the source, leave them out with --query, or choose another --key.",
            )
        self._insist_on_values(columns)
        kept = stage.rows if distinct else keep_newest(stage, key, newest)
        kept = kept if self._settled is None else self._settled
        self._merge = (tuple(columns), tuple(key))
        return kept

    def succeed(self, key: Sequence[str]) -> None:
        self._replacing = True
        self._key = tuple(key)

    def _insist_on_values(self, columns: Sequence[str]) -> None:
        """Delta says of a NULL where none may be only that a row failed its check, and when it commits."""
        needed = [one.name for one in self._columns() if not one.nullable and one.name in columns]
        for batch in self._staged().batches():
            for name in needed:
                if batch.column(name).null_count:
                    raise Rejected(
                        f"A row has NULL in the column {name}, and {self._name} takes none there",
                        kind=KIND,
                        native_code=NULL_REFUSED,
                        hint="Repair it in the source, or keep such rows apart with --on-reject quarantine.",
                        context={"column": name},
                    )

    def settle_staged(self, columns: Sequence[str], key: Sequence[str], newest: str) -> None:
        self._settled = keep_newest(self._staged(), key, newest)

    foresees = True

    def foresee(self, rows: Rows | None, place: Place, columns: Sequence[str], key: Sequence[str]) -> Foreseen:
        return foreseen_nulls(rows, columns, self._columns(), self._name)

    def keep_apart(self, batch_id: str, rejects: Sequence[Reject]) -> None:
        self._rejects = tuple(rejects)

    def record(self, entry: Entry) -> None:
        self._ledger.insist_on(self._claim)
        self._entry = entry

    def commit(self) -> None:
        entry = self._entry
        assert entry is not None  # noqa: S101 - recorded first
        files = self._files
        if files:
            files.finish()
        number = self._ledger.intend(self._claim, entry, files.paths if files else [], *self._write_beside())
        published = files.publish() if files else []
        faultpoint("copy.committing")
        try:
            self._commit(number, published)
        except Exception as error:
            if isinstance(error, CommitFailedError) and "oncurrent" in str(error):
                raise self._lost(error) from error
            self._settle(number, error)
        if files:  # from here on they are the table's, whatever else fails
            files.release()
            self._files = None
        self._close_stage()
        self._ledger.done(number)

    def rollback(self) -> None:
        self._close_stage()
        if self._files:
            if self._unknown:
                self._files.release()
            else:
                self._files.discard()
            self._files = None

    def _commit(self, number: int, published: list[tuple[Item, int]]) -> None:
        table = self._opened()
        self._ledger.insist_on_number(table, self._claim)
        properties = CommitProperties(
            custom_metadata={"etl.stream": self._claim.stream, "etl.epoch": str(self._claim.epoch)},
            max_commit_retries=_COMMIT_RETRIES,
            app_transactions=[Transaction(self._claim.stream, number, int(time.time() * 1000))],
        )
        if self._merge:
            self._execute_merge(table, properties)
            return
        now = int(time.time() * 1000)
        actions: list[AddAction | RemoveAction] = [
            AddAction(
                path=item.path.removeprefix(f"{self._name}/"),
                size=item.size,
                partition_values={},
                modification_time=now,
                data_change=True,
                stats=json.dumps({"numRecords": rows}),
            )
            for item, rows in published
            if rows
        ]
        table.create_write_transaction(
            actions,
            "overwrite" if self._replacing else "append",
            table.schema(),
            commit_properties=properties,
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
        )

    def _opened(self) -> DeltaTable:
        """The table as it is now, made or widened first: columns without rows change nothing for anybody."""
        table = self._lake.open(self._name)
        if table is None:
            assert self._made is not None  # noqa: S101 - a table that is not there is created
            configuration = {KEY: "\0".join(self._key)} if self._key else None
            with told(self._name, "making it", self._lake.secret):
                return DeltaTable.create(
                    f"{self._lake.uri}/{self._name}",
                    arrow_schema(self._made),
                    mode="ignore",
                    configuration=configuration,
                    storage_options=dict(self._lake.options) or None,
                    raise_if_key_not_exists=False,
                )
        there = {one.name for one in table.schema().fields}
        missing = tuple(column for column in self._added if column.name not in there)
        if missing:
            from deltalake import Schema

            with told(self._name, "adding columns", self._lake.secret):
                table.alter.add_columns(list(Schema.from_arrow(arrow_schema(missing)).fields))
            table = self._lake.open(self._name) or table
        return table

    def _execute_merge(self, table: DeltaTable, properties: CommitProperties) -> None:
        assert self._merge is not None  # noqa: S101 - asked before
        columns, key = self._merge
        stage = self._staged()
        reader = pa.RecordBatchReader.from_batches(
            stage.schema(columns), (batch.select(list(columns)) for batch in stage.batches() if batch.num_rows)
        )
        same = " AND ".join(f"target.{_quoted(name)} = source.{_quoted(name)}" for name in key)
        values = {_quoted(name): f"source.{_quoted(name)}" for name in columns}
        others = {name: value for name, value in values.items() if name not in {_quoted(one) for one in key}}
        merger = table.merge(
            reader,
            same,
            source_alias="source",
            target_alias="target",
            writer_properties=WriterProperties(compression="ZSTD"),
            commit_properties=properties,
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
        )
        if others:
            merger = merger.when_matched_update(others)
        merger.when_not_matched_insert(values).execute()

    def _lost(self, error: CommitFailedError) -> EtlError:
        """Another commit came between. Of the same stream: somebody took this copy over. Else: once more."""
        if "transaction failed" in str(error):
            return Stale("Another run has taken this copy over; what this one read is not written", hint="Let it run.")
        return translated(self._name, "committing", error, self._lake.secret)

    def _settle(self, number: int, error: BaseException) -> None:
        """The commit broke: whether it was done says the table, if it can be asked."""
        made = error
        if not isinstance(error, EtlError):
            made = translated(self._name, "committing", error, self._lake.secret)
        try:
            table = self._lake.open(self._name)
            done = table is not None and table.transaction_version(self._claim.stream) == number
        except EtlError as silent:
            self._unknown = True
            raise UnknownCommit(str(made)) from silent
        if done:
            return
        if isinstance(made, Unreachable):
            self._unknown = True  # it may still arrive
            raise UnknownCommit(str(made)) from error
        raise made from error

    def _close_stage(self) -> None:
        if self._stage:
            self._stage.close()
            self._stage = None

    def _into(self) -> Files:
        if self._files is None:
            self._files = Files(self._sink, _SHAPE, self._columns(), _FILE_BYTES)
        return self._files

    def _columns(self) -> tuple[Column, ...]:
        if self._made is not None:
            return self._made
        table = self._lake.open(self._name)
        assert table is not None  # noqa: S101 - it was there when the copy was planned
        there = columns_of(pa.schema(table.schema()))
        names = {one.name for one in there}
        return (*there, *(one for one in self._added if one.name not in names))

    def _sink(self, number: int) -> Sink:
        name = part_name(self._claim, self._mark, number, _SHAPE.ending)
        return self._lake.folder.create(f"{self._name}/{name}")

    def _staged(self) -> Stage:
        assert self._stage is not None  # noqa: S101 - it was created
        return self._stage

    def _write_beside(self) -> tuple[str, str]:
        """What goes with the ledger line: rows to be known again, and rows that were kept apart."""
        names = []
        for what, data in (
            ("seen", self._seen),
            ("rejects", rejects_text(self._rejects) if self._rejects else None),
        ):
            name = f"{what}-{self._claim.stream[:12]}-{self._claim.epoch}-{self._mark[:8]}.jsonl" if data else ""
            if data:
                write_beside(self._lake.folder, f"{self._name}/{LEDGER}/{name}", data)
            names.append(name)
        return names[0], names[1]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
