"""Where a lake lies, and its tables one by one."""

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from etl_engine.connectors.files.finding import clean
from etl_engine.connectors.files.folder import Folder
from etl_engine.connectors.files.formats import is_hidden
from etl_engine.connectors.lake.refusals import KIND, told, translated
from etl_engine.connectors.lake.types import columns_of
from etl_engine.connectors.names import instead
from etl_engine.errors import BadInput, Missing, Refused
from etl_engine.model.table import Table, TableName

LOG = "_delta_log"
_VERSIONED = re.compile(r"(.+)@v?(\d{1,18})")
_MOST_LISTED = 2_000
KEY = "etl.key"  # property of a table: the columns of its key, as nobody else keeps them


@dataclass(frozen=True)
class Lake:
    """A folder of Delta tables."""

    folder: Folder
    uri: str  # without a slash at its end
    options: Mapping[str, str] = field(default_factory=dict)
    secret: str = ""

    @property
    def identity(self) -> str:
        return f"lake:{self.folder.identity}"

    def find(self, table: str) -> "LakeTable":
        """As it is now, or, of `name@7`, as it was in that version. Missing names the tables that look alike."""
        path = clean(table)
        found = _VERSIONED.fullmatch(path)
        name, version = (found[1], int(found[2])) if found else (path, None)
        opened = self.open(name, version)
        if opened is None:
            raise Missing(
                f"There is no table {name} in {self.folder.where}{instead(name, self.names())}",
                kind=KIND,
                hint="Correct the name; it is the path of the table's folder inside the lake.",
            )
        return LakeTable(self, name, opened, version)

    def open(self, name: str, version: int | None = None) -> DeltaTable | None:
        if not self.stands(name):
            return None
        try:
            return DeltaTable(f"{self.uri}/{name}", version=version, storage_options=dict(self.options) or None)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError, ValueError) as error:
            if version is not None:
                raise Missing(
                    f"{name} has no version {version} any more, or not yet", kind=KIND, hint="Name a later version."
                ) from error
            raise translated(name, "opening it", error, self.secret) from error

    def stands(self, name: str) -> bool:
        """Looks without following links, and before the library opens anything."""
        return LOG in self.folder.folders(name)

    def names(self) -> list[str]:
        found: list[str] = []
        waiting = [""]
        while waiting and len(found) < _MOST_LISTED:
            at = waiting.pop()
            inner = self.folder.folders(at)
            if LOG in inner:
                found.append(at)
                continue
            waiting += [f"{at}/{name}" if at else name for name in inner if not is_hidden(name)]
        return sorted(found)


@dataclass
class LakeTable:
    """One table, as one version of it stands."""

    lake: Lake
    name: str
    delta: DeltaTable
    version: int | None = None  # where one was asked for

    def table(self) -> Table:
        with told(self.name, "reading its columns", self.lake.secret):
            columns = columns_of(pa.schema(self.delta.schema()))
            rows, size = self._count()
            key = self.delta.metadata().configuration.get(KEY, "")
        return Table(
            TableName("", f"{self.name}@{self.version}" if self.version is not None else self.name),
            columns,
            _columns_of(key),
            rows=rows,
            bytes=size,
            incarnation=str(self.delta.metadata().id),
        )

    def dataset(self) -> Any:
        """Refuses a log that leads out of the table's folder."""
        with told(self.name, "opening its files", self.lake.secret):
            for path in self._paths():
                if path.startswith("/") or "://" in path or ".." in path.split("/"):
                    raise Refused(
                        f"The log of {self.name} names a file outside its folder: {path[:80]}",
                        kind=KIND,
                        hint="Do not use this table: it reaches for files that are not its own.",
                    )
                if self.lake.folder.kind == "files" and self.lake.folder.item(f"{self.name}/{path}") is None:
                    raise Missing(
                        f"The file {path} of {self.name} is gone", kind=KIND, hint="Put it back from a backup."
                    )
            return self.delta.to_pyarrow_dataset()

    def _paths(self) -> list[str]:
        from urllib.parse import unquote

        added = pa.table(self.delta.get_add_actions(flatten=True))
        return [unquote(path) for path in added.column("path").to_pylist()]

    def _count(self) -> tuple[int | None, int]:
        added = pa.table(self.delta.get_add_actions(flatten=True))
        counts = added.column("num_records").to_pylist() if "num_records" in added.column_names else [None]
        rows = None if any(one is None for one in counts) else sum(counts)
        return rows, sum(added.column("size_bytes").to_pylist())


def only_plain(name: str) -> str:
    """A target is the table as it is now."""
    path = clean(name)
    if _VERSIONED.fullmatch(path):
        raise BadInput(f"{path} names a version, and versions are not written", hint="Leave out what is behind the @.")
    if any(mark in path for mark in "*?[") or is_hidden(path):
        raise BadInput(f"{path} is no name for a table of the lake", hint="Use letters, digits, - and /.")
    return path


def _columns_of(key: str) -> tuple[str, ...]:
    """As this engine notes it, names between NULs, or as people do, who cannot write those: a JSON array."""
    with contextlib.suppress(ValueError, RecursionError):
        names = json.loads(key)
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return tuple(names)
    return tuple(key.split("\0")) if key else ()
