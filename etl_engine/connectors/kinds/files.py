"""Files in a folder of this machine: CSV, JSON Lines and Parquet."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from etl_engine.connectors.contract import Connector, Deadline, Health, Kind, Step, Surroundings
from etl_engine.connectors.files.check import RUNGS, FolderCheck, count_files, open_folder
from etl_engine.connectors.files.data import FilesData
from etl_engine.connectors.files.options import FileOptions
from etl_engine.model.connection import ConnectionConfig
from etl_engine.model.text import FilePath

if TYPE_CHECKING:
    from etl_engine.connectors.files.folder import Folder

_SETUP = """
The folder lies in one of those that the operator allows (`FILE_ROOTS`; by default `files` in the data folder); write
its path relative to that, or `.` for the whole of it. The account of this engine must be able to read it, and to write
it where tables are copied into it:

```sh
mkdir -p /srv/etl/files/exports
chown -R etl-engine /srv/etl/files/exports
```

A table is named by a path or a pattern relative to it: `orders.csv`, `2024/*.parquet`, `logs/**/*.jsonl.gz`. All files
of a pattern must have one shape. Links are not followed.
""".strip()


class FilesConfig(FileOptions):
    """A folder below one of those that the operator allows (`FILE_ROOTS`)."""

    db_type: Literal["files"]
    folder: Annotated[
        FilePath,
        Field(
            title="Folder",
            description="Path relative to the files folder, or absolute inside it.",
            json_schema_extra={"placeholder": "exports"},
        ),
    ] = "."


class FilesConnector(Connector, FilesData):
    """A connection to one folder."""

    def __init__(self, config: ConnectionConfig, surroundings: Surroundings) -> None:
        if not isinstance(config, FilesConfig):
            raise TypeError(f"{type(config).__name__} is not the config of a folder of files")
        self._options = self._config = config
        self._surroundings = surroundings

    def check(self, deadline: Deadline, on_step: Callable[[Step], None]) -> Health:
        return FolderCheck(
            self._config.folder,
            self._surroundings,
            deadline,
            on_step,
            driver="pyarrow",
            extra="files",
            look_inside=count_files,
        ).run()

    def close(self) -> None:
        """A check leaves nothing open."""

    def open_folder(self) -> "Folder":
        return open_folder(self._config.folder, self._surroundings)


KIND = Kind(
    name="files",
    title="Files",
    summary="CSV, JSON Lines and Parquet files in a folder of this machine.",
    config=FilesConfig,
    make=FilesConnector,
    driver="pyarrow",
    extra="files",
    aliases=("file", "csv", "jsonl", "parquet", "folder"),
    setup=_SETUP,
    rungs=RUNGS,
)
