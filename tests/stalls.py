"""One place of each kind to copy from and into: filled from a SQLite file, looked at by readers that are not ours."""

import json
import sqlite3
import tempfile
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path
from typing import Any

import file_tables
from copying import LEFT_BEHIND, Pair
from file_copies import Files
from file_tables import delta, parquet
from mysql_copying import Road
from s3_servers import S3Server

from etl_engine.connectors import registry
from etl_engine.connectors.contract import Surroundings
from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.model.copies import CopyOrder, CopyReceipt

KINDS = ("postgresql", "mysql", "sqlite", "duckdb", "files", "s3", "lake")


def copy(source: Any, target: Any, table: str = "orders", into: str = "orders", **options: Any) -> CopyReceipt:
    values = {"source_id": "one", "target_id": "other", "table": "" if "query" in options else table, "target": into}
    ends = Ends(source.open_source, target.open_destination, target.open_source)
    return transfer.run(CopyOrder.model_validate({**values, **options}), ends, Progress(), Stop())


class Plain:
    """The SQLite file that everything comes from."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "plain.db"
        self.sql("VACUUM")

    def sql(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as database:
            for statement in statements:
                database.execute(statement)

    @property
    def connector(self) -> Any:
        kind = registry.kind("sqlite")
        config = kind.config.model_validate({"name": "plain", "db_type": "sqlite", "database": self.path.name})
        return kind.make(config, Surroundings(file_roots=(self.path.parent,)))


class Stall(ABC):
    """A place of one kind, with at most the table `orders` in it."""

    kind: str
    root = Path("/")  # the folder that it is, where it is one
    schema = ""  # before the name of a table, in a sentence
    secret = ""

    @property
    @abstractmethod
    def connector(self) -> Any: ...

    @property
    @abstractmethod
    def words(self) -> list[str]:
        """How a connection to it is saved, at the command line."""

    @abstractmethod
    def content(self) -> Any:
        """Its rows, or whatever says that there is no such table."""

    @abstractmethod
    def claimed(self) -> bool:
        """Whether a run is at work, or has been."""

    @abstractmethod
    def left(self) -> list[str]:
        """What nobody needs any more: stages, unfinished files, locks, sessions."""


class OfPostgresql(Stall):
    kind, schema = "postgresql", "public."

    def __init__(self, pair: Pair) -> None:
        self.pair, self.secret = pair, pair.server.password

    @property
    def connector(self) -> Any:
        return self.pair.connector(self.pair.target)

    @property
    def words(self) -> list[str]:
        server = self.pair.server
        return ["--host", server.host, "--port", str(server.port), "--database", self.pair.target,
                "--username", server.user, "--password-stdin"]  # fmt: skip

    def content(self) -> Any:
        there = self.pair.t("SELECT to_regclass('orders') IS NOT NULL") == "t"
        return self.pair.t("SELECT * FROM orders ORDER BY 1") if there else None

    def claimed(self) -> bool:
        there = self.pair.t("SELECT to_regclass('_etl_streams') IS NOT NULL") == "t"
        return there and self.pair.t("SELECT count(*) FROM _etl_streams WHERE epoch > 0") == "1"

    def left(self) -> list[str]:
        sessions = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{self.pair.target}'"
        asked = {"tables": self.pair.t(LEFT_BEHIND), "sessions": self.pair.sql("postgres", sessions)}
        return [what for what, count in asked.items() if count != "0"]


class OfMysql(Stall):
    kind = "mysql"

    def __init__(self, road: Road) -> None:
        self.road, self.secret = road, road.target.server.password
        self.schema = f"{road.target.name}."

    @property
    def connector(self) -> Any:
        return self.road.target.connector()

    @property
    def words(self) -> list[str]:
        server = self.road.target.server
        return ["--host", server.host, "--port", str(server.port), "--database", self.road.target.name,
                "--username", server.user, "--password-stdin"]  # fmt: skip

    def content(self) -> Any:
        if not self.road.target.sql("SHOW TABLES LIKE 'orders'"):
            return None
        return self.road.target.sql("SELECT * FROM orders ORDER BY 1")

    def claimed(self) -> bool:
        if not self.road.target.sql("SHOW TABLES LIKE '_etl_streams'"):
            return False
        return self.road.target.sql("SELECT COUNT(*) FROM _etl_streams WHERE epoch > 0") == "1"

    def left(self) -> list[str]:
        busy = f"SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{self.road.target.name}'"
        sessions = self.road.target.server.sql(busy)[0][0]
        tables = self.road.target.sql("SHOW TABLES LIKE '\\_etl\\_new%'", "SHOW TABLES LIKE '\\_etl\\_old%'")
        return [*tables.splitlines(), *(["sessions"] * bool(sessions))]


class OfDatabaseFile(Stall):
    """SQLite or DuckDB."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind, self.folder, self.root = kind, folder, folder
        self.name = {"sqlite": "there.db", "duckdb": "there.duckdb"}[kind]
        self.schema = {"sqlite": "", "duckdb": "main."}[kind]
        self.files = Files(folder, self.name, self.name)

    @property
    def connector(self) -> Any:
        return self.files.connector(self.name)

    @property
    def words(self) -> list[str]:
        return ["--database", str(self.folder / self.name)]

    def content(self) -> Any:
        if not self.files.t("SELECT count(*) FROM sqlite_master WHERE name = 'orders'")[0][0]:
            return None
        return self.files.t("SELECT * FROM orders ORDER BY 1")

    def claimed(self) -> bool:
        return any(path.name.endswith((".etl-lock", "-journal", ".wal")) for path in self.folder.iterdir())

    def left(self) -> list[str]:
        return [path.name for path in self.folder.iterdir() if path.name != self.name]


class OfFolder(Stall):
    """Files or the lake."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind, self.folder, self.root = kind, folder, folder
        self.end = file_tables.lake(folder) if kind == "lake" else file_tables.folder(folder)

    @property
    def connector(self) -> Any:
        return self.end.connector

    @property
    def words(self) -> list[str]:
        return ["--option", f"folder={self.folder}"]

    def content(self) -> Any:
        there = self.folder / "orders"
        if self.kind == "lake":
            return delta(there) if (there / "_delta_log").exists() else None
        return parquet(there) if list(there.glob("*.parquet")) else None

    def claimed(self) -> bool:
        return any((self.folder / "orders" / "_etl").glob("*.json"))

    def left(self) -> list[str]:
        names = [path.name for path in self.folder.rglob("*")]
        return [name for name in names if name.endswith((".part", "_etl.lock"))]


class OfBucket(Stall):
    kind = "s3"

    def __init__(self, folder: Path, server: S3Server) -> None:
        self.server, self.bucket, self._secret = server, server.new_bucket(), folder / "secret"

    @property
    def connector(self) -> Any:
        return file_tables.bucket(self.server, self.bucket).connector

    @property
    def words(self) -> list[str]:
        values = self.server.values(self.bucket)
        plain = ["--host", values["host"], "--port", str(values["port"])]
        options = {name: values[name] for name in ("bucket", "access_key", "tls_mode")}
        self._secret.write_text(self.server.secret_key)
        options["secret_key"] = f"@{self._secret}"
        return [*plain, *(word for name, value in options.items() for word in ("--option", f"{name}={value}"))]

    def content(self) -> Any:
        client = self.server.client()
        with tempfile.TemporaryDirectory() as folder:
            keys = [key for key in self.server.keys(self.bucket, "orders/") if key.endswith(".parquet")]
            for number, key in enumerate(keys):
                body = client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
                (Path(folder) / f"{number}.parquet").write_bytes(body)
            return parquet(Path(folder)) if keys else None

    def claimed(self) -> bool:
        for key in self.server.keys(self.bucket, "orders/_etl/"):
            if key.endswith("manifest.json"):
                body = self.server.client().get_object(Bucket=self.bucket, Key=key)["Body"].read()
                return bool(json.loads(body)["streams"])
        return False

    def left(self) -> list[str]:
        uploads = self.server.client().list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())
        locks = [key for key in self.server.keys(self.bucket) if key.endswith(".lock")]
        return [*locks, *(one["Key"] for one in uploads)]
