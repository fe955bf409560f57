"""A lake of Delta tables, in a folder of this machine or in a bucket."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field

from etl_engine.connectors.contract import Connector, Deadline, Health, Kind, Step, Surroundings
from etl_engine.connectors.files.bucket import NEITHER_OR_BOTH, Bucket, BucketFields
from etl_engine.connectors.files.check import FolderCheck, open_folder
from etl_engine.connectors.files.s3_check import BucketCheck
from etl_engine.connectors.lake.data import LakeData
from etl_engine.model.connection import ConnectionConfig
from etl_engine.model.text import FilePath

if TYPE_CHECKING:
    from etl_engine.connectors.files.local import LocalFolder
    from etl_engine.connectors.lake.place import Lake

RUNGS = (
    Step("path", "Place"),
    Step("folder", "Access"),
    Step("files", "Tables"),
    Step("privileges", "Privileges"),
)
_RUNG_OF = {  # of a lake in a bucket
    "dns": "path",
    "tcp": "path",
    "tls": "folder",
    "login": "folder",
    "bucket": "files",
    "privileges": "privileges",
}
_MOST = 50  # of tables that a check counts
_SETUP = """
On this machine the lake lies in one of the folders that the operator allows (`FILE_ROOTS`; by default `files` in the
data folder):

```sh
mkdir -p /srv/etl/files/lake
chown -R etl-engine /srv/etl/files/lake
```

In a bucket, give the bucket and a key with `s3:ListBucket` on it and `s3:GetObject`, `s3:PutObject`, `s3:DeleteObject`,
`s3:AbortMultipartUpload` on what is in it; the folder is then a prefix. The service must know conditional writes.

Each table is a folder with a Delta log: DuckDB, Spark, Polars and others read it as it is. `orders@7` reads version 7.
""".strip()


class LakeConfig(BucketFields):
    """A folder of Delta tables; in a bucket where one is named."""

    model_config = ConfigDict(json_schema_extra={"anyOf": NEITHER_OR_BOTH})

    db_type: Literal["lake"]
    folder: Annotated[
        FilePath,
        Field(
            title="Folder",
            description="Path relative to the files folder, or prefix in the bucket.",
            json_schema_extra={"placeholder": "lake"},
        ),
    ] = "lake"
    bucket: Annotated[Bucket | None, Field(title="Bucket", description="None: a folder of this machine.")] = None


class LakeConnector(Connector, LakeData):
    """A connection to one lake."""

    def __init__(self, config: ConnectionConfig, surroundings: Surroundings) -> None:
        if not isinstance(config, LakeConfig):
            raise TypeError(f"{type(config).__name__} is not the config of a lake")
        self._config = config
        self._surroundings = surroundings

    def check(self, deadline: Deadline, on_step: Callable[[Step], None]) -> Health:
        config = self._config
        if config.bucket:
            return BucketCheck(
                config,
                config.bucket,
                config.folder,
                self._surroundings,
                "deltalake",
                RUNGS,
                _RUNG_OF,
            ).run(deadline, on_step)
        return FolderCheck(
            config.folder,
            self._surroundings,
            deadline,
            on_step,
            driver="deltalake",
            extra="lake",
            look_inside=_count_tables,
            rungs=RUNGS,
        ).run()

    def close(self) -> None:
        """A check leaves nothing open."""

    def open_lake(self) -> "Lake":
        config = self._config
        if config.bucket:
            from etl_engine.connectors.lake.bucket_options import lake_in_bucket

            return lake_in_bucket(config, config.bucket, config.folder.strip("/"), self._surroundings)
        from etl_engine.connectors.lake.place import Lake

        folder = open_folder(config.folder, self._surroundings)
        return Lake(folder, str(folder.root))


def _count_tables(folder: "LocalFolder", deadline: Deadline) -> tuple[str, bool]:
    """A glance at the first two levels."""
    found = 0
    for name in folder.folders("")[:_MOST]:
        deadline.left()
        inner = folder.folders(name)
        found += 1 if "_delta_log" in inner else sum("_delta_log" in folder.folders(f"{name}/{one}") for one in inner)
    return (f"{found} table{'s' if found > 1 else ''}", False) if found else ("No tables yet", True)


KIND = Kind(
    name="lake",
    title="Lake (Delta)",
    summary="Delta Lake tables in a folder of this machine or in a bucket.",
    config=LakeConfig,
    make=LakeConnector,
    driver="deltalake",
    extra="lake",
    aliases=("delta", "deltalake", "delta_lake"),
    setup=_SETUP,
    rungs=RUNGS,
)
