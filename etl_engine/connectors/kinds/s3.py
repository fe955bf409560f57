"""Files in a bucket of an S3 service."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field

from etl_engine.connectors.contract import Connector, Deadline, Health, Kind, Step, Surroundings
from etl_engine.connectors.files.bucket import NEITHER_OR_BOTH, Bucket, BucketFields
from etl_engine.connectors.files.data import FilesData
from etl_engine.connectors.files.options import FileOptions
from etl_engine.connectors.files.s3_check import RUNGS, BucketCheck
from etl_engine.model.connection import ConnectionConfig
from etl_engine.model.text import Plain

if TYPE_CHECKING:
    from etl_engine.connectors.files.folder import Folder

_SETUP = """
The access key needs a policy with these actions, on the bucket and on what is in it; reading alone does without the
last three:

```text
s3:ListBucket                  on  arn:aws:s3:::my-data
s3:GetObject                   on  arn:aws:s3:::my-data/*
s3:PutObject                   on  arn:aws:s3:::my-data/*
s3:DeleteObject                on  arn:aws:s3:::my-data/*
s3:AbortMultipartUpload        on  arn:aws:s3:::my-data/*
```

Amazon: endpoint `s3.<region>.amazonaws.com`. MinIO: its host, port 9000, TLS as it is set up there. Uploads that a
killed run left are taken away by the next run of the same copy; a lifecycle rule `AbortIncompleteMultipartUpload` does
the rest. A service must know conditional writes (`If-None-Match`), or nothing is written to it.
""".strip()


class S3Config(BucketFields, FileOptions):
    """A bucket, or a prefix in it."""

    model_config = ConfigDict(json_schema_extra={"anyOf": NEITHER_OR_BOTH})

    db_type: Literal["s3"]
    bucket: Annotated[Bucket, Field(title="Bucket", json_schema_extra={"placeholder": "my-data"})]
    prefix: Annotated[Plain, Field(title="Folder", description="Prefix that all names are below.", max_length=500)] = ""


class S3Connector(Connector, FilesData):
    """A connection to one bucket."""

    def __init__(self, config: ConnectionConfig, surroundings: Surroundings) -> None:
        if not isinstance(config, S3Config):
            raise TypeError(f"{type(config).__name__} is not the config of a bucket")
        self._options = self._config = config
        self._surroundings = surroundings

    def check(self, deadline: Deadline, on_step: Callable[[Step], None]) -> Health:
        config = self._config
        return BucketCheck(
            config,
            config.bucket,
            config.prefix,
            self._surroundings,
            "pyarrow",
        ).run(deadline, on_step)

    def close(self) -> None:
        """A check leaves nothing open."""

    def open_folder(self) -> "Folder":
        from etl_engine.connectors.files.s3 import S3Folder
        from etl_engine.connectors.files.s3_client import Client

        return S3Folder(Client(self._config, self._config.bucket, self._surroundings), self._config.prefix)


KIND = Kind(
    name="s3",
    title="S3",
    summary="CSV, JSON Lines and Parquet files in a bucket: Amazon S3, MinIO and others.",
    config=S3Config,
    make=S3Connector,
    driver="pyarrow",
    extra="s3",
    aliases=("minio", "aws_s3", "bucket"),
    setup=_SETUP,
    rungs=RUNGS,
)
