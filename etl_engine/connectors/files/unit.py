"""One step of a copy into files: they appear, and then the manifest makes them count, all at once."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

from etl_engine.connectors.files.finding import clean
from etl_engine.connectors.files.folder import Folder, Sink
from etl_engine.connectors.files.formats import Shape
from etl_engine.connectors.files.manifest import (
    LEDGER,
    Ledger,
    Manifest,
    counted,
    delete_quietly,
    entries_of,
    part_name,
    rejects_text,
    write_beside,
)
from etl_engine.connectors.files.out import Files, foreseen_nulls
from etl_engine.connectors.files.stage import Seen, Stage, drop_seen, remembered
from etl_engine.connectors.rows import Claim, Entry, Foreseen, Place, Reject, Rows, Unit, UnknownCommit
from etl_engine.errors import NotCapable, Stale, Throttled, Unreachable
from etl_engine.faultpoints import faultpoint
from etl_engine.model.table import Column, TableName

NO_MERGE = "Files cannot be merged into: a row in them cannot be changed"
USE_THE_LAKE = "Copy into a connection of the kind lake, or use --mode replace."


class FilesUnit(Unit):
    """Files of names that no other unit has; a manifest that is swapped or not."""

    def __init__(self, folder: Folder, ledger: Ledger, claim: Claim, name: TableName, shape: Shape, most: int) -> None:
        self._folder = folder
        self._ledger = ledger
        self._claim = claim
        self._name = clean(name.name)
        self._shape = shape
        self._most = most
        self._mark = uuid4().hex
        self._columns: tuple[Column, ...] | None = None  # of the target, where this unit makes or changes it
        self._key: tuple[str, ...] = ()
        self._replacing = False
        self._files: Files | None = None
        self._stage: Stage | None = None
        self._seen: bytes | None = None
        self._rejects: tuple[Reject, ...] = ()
        self._entry: Entry | None = None
        self._unknown = False

    def create(self, place: Place, columns: Sequence[Column], key: Sequence[str] = ()) -> None:
        if place is Place.STAGE:
            self._stage = Stage(columns, self._folder.kind)
            return
        self._replacing = place is Place.SUCCESSOR
        there = self._ledger.read()
        if self._replacing and there.exists:
            coming = {column.name for column in columns}
            missing = [one for one in there.columns if one.name not in coming]
            self._columns = (*columns, *missing)
        else:
            self._columns = tuple(columns)
        self._key = tuple(key)

    def add_columns(self, columns: Sequence[Column]) -> None:
        there = self._ledger.read().columns
        self._columns = (*there, *(replace(column, nullable=True) for column in columns))

    def load(self, rows: Rows, place: Place, columns: Sequence[str]) -> int:
        if place is Place.STAGE:
            assert self._stage is not None  # noqa: S101 - it was created
            return self._stage.load(rows, columns)
        files = self._into()
        loaded = 0
        for number, batch in enumerate(rows.batches()):
            if number:
                faultpoint("copy.loading")
            files.write(batch.rename_columns(list(columns)))
            loaded += batch.num_rows
        return loaded

    def append_staged(self, columns: Sequence[str]) -> int:
        assert self._stage is not None  # noqa: S101 - it was created
        written, files = 0, self._into()
        for batch in self._stage.batches():
            if batch.num_rows:
                files.write(batch.select(list(columns)))
                written += batch.num_rows
        return written

    def drop_seen(self, key: Sequence[str], version: Sequence[str], *, versions_hold: bool) -> int:
        assert self._stage is not None  # noqa: S101 - it was created
        path = self._ledger.read().streams.get(self._claim.stream, {}).get("seen")
        found = self._folder.read(f"{self._name}/{LEDGER}/{path}") if path else None
        seen = Seen(found[0] if found else b"")
        return drop_seen(self._stage, seen, key, version, versions_hold=versions_hold)

    def remember_seen(self, key: Sequence[str], version: Sequence[str]) -> None:
        assert self._stage is not None  # noqa: S101 - it was created
        self._seen = remembered(self._stage, key, version).as_bytes()

    def merge_staged(self, columns: Sequence[str], key: Sequence[str], newest: str, *, distinct: bool) -> int:
        raise NotCapable(NO_MERGE, hint=USE_THE_LAKE)

    def succeed(self, key: Sequence[str]) -> None:
        self._replacing = True
        self._key = tuple(key)

    foresees = True

    def foresee(self, rows: Rows | None, place: Place, columns: Sequence[str], key: Sequence[str]) -> Foreseen:
        return foreseen_nulls(rows, columns, self._columns or self._ledger.read().columns, self._name)

    def keep_apart(self, batch_id: str, rejects: Sequence[Reject]) -> None:
        self._rejects = tuple(rejects)

    def record(self, entry: Entry) -> None:
        self._ledger.insist(self._ledger.read(), self._claim)
        self._entry = entry

    def commit(self) -> None:
        entry = self._entry
        assert entry is not None  # noqa: S101 - recorded first
        files = self._files
        if files is None and (self._replacing or self._columns is not None):
            files = self._into()
        if files:
            files.finish()
        published = files.publish() if files else []
        seen, rejects = self._write_beside()
        faultpoint("copy.committing")
        superseded: list[str] = []

        def work(state: Manifest) -> None:
            self._ledger.insist(state, self._claim)
            if _has(state, entry):
                return  # the answer to the first try was lost, and it had been done
            superseded[:] = self._apply(state, [(item.path, item.size, rows) for item, rows in published], seen)
            counted(state, entry, rejects)

        try:
            self._ledger.change(work)
        except (Stale, Throttled):
            raise
        except Unreachable as error:
            self._settle(entry, error)
        if files:
            files.release()
            self._files = None
        self._close_stage()
        delete_quietly(self._folder, superseded)

    def _settle(self, entry: Entry, error: Unreachable) -> None:
        """The answer to the swap was lost: what stands there now says whether it was done, if it can be asked."""
        self._unknown = True  # what may count is never taken back
        try:
            state = self._ledger.read()
        except Unreachable:
            raise UnknownCommit(str(error)) from error
        if not _has(state, entry):
            raise UnknownCommit(str(error)) from error

    def rollback(self) -> None:
        self._close_stage()
        if self._files:
            if self._unknown:
                self._files.release()
            else:
                self._files.discard()
            self._files = None

    def _close_stage(self) -> None:
        if self._stage:
            self._stage.close()
            self._stage = None

    def _into(self) -> Files:
        if self._files is None:
            state = self._ledger.read()
            columns = self._columns or state.columns
            shape = self._shape if self._replacing or not state.shape else state.shape
            self._shape = shape
            self._files = Files(self._sink, shape, columns, self._most)
        return self._files

    def _sink(self, number: int) -> Sink:
        name = part_name(self._claim, self._mark, number, self._shape.ending)
        return self._folder.create(f"{self._name}/{name}")

    def _apply(self, state: Manifest, files: list[tuple[str, int, int]], seen: str) -> list[str]:
        """What this unit changes in the table; answers the files that no longer count."""
        gone: list[str] = []
        if self._replacing:
            gone = [f"{self._name}/{one['name']}" for one in state.files]
            state.files = []
        if self._columns is not None:
            state.columns = self._columns
            state.key = self._key if self._replacing or not state.exists else state.key
        if self._replacing or not state.exists:
            state.shape = self._shape
        state.born = state.born if state.exists else uuid4().hex
        state.exists = True
        state.files += [{"name": path.rpartition("/")[2], "size": size, "rows": rows} for path, size, rows in files]
        if seen:
            now = state.streams[self._claim.stream]
            if now.get("seen"):
                gone.append(f"{self._name}/{LEDGER}/{now['seen']}")
            now["seen"] = seen
        return gone

    def _write_beside(self) -> tuple[str, str]:
        """What goes with the ledger line: rows to be known again, and rows that were kept apart."""
        names = []
        for what, data in (
            ("seen", self._seen),
            ("rejects", rejects_text(self._rejects) if self._rejects else None),
        ):
            name = f"{what}-{self._claim.stream[:12]}-{self._claim.epoch}-{self._mark[:8]}.jsonl" if data else ""
            if data:
                write_beside(self._folder, f"{self._name}/{LEDGER}/{name}", data)
            names.append(name)
        return names[0], names[1]


def _has(state: Manifest, entry: Entry) -> bool:
    return any(one.batch_id == entry.batch_id for one in entries_of(state, entry.stream, entry.run_id))
