"""Copies into databases that are files, folders of files, buckets and the lake that are killed."""

import collections
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import file_tables
from dying import DIED, FAILED
from file_copies import Files
from file_tables import Child, End, delta, parquet
from killing import Killable
from s3_servers import S3Server

BOOKS = ("_etl_ledger", "_etl_streams", "_etl_seen", "_etl_rejects", "orders")
FILL = (
    "WITH RECURSIVE n (g) AS (VALUES (1) UNION ALL SELECT g + 1 FROM n LIMIT {}) "
    "INSERT INTO orders SELECT g, 'v' || hex(zeroblob(g % 90)), datetime('2024-01-01', g || ' seconds') FROM n"
)
CHILD = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from file_copies import Files
from etl_engine import faultpoints
files = Files(Path(sys.argv[2]), "from.db", sys.argv[3], made=True)
faultpoints.arm(sys.argv[5])
print("ready", flush=True)
try:
    files.copy("orders", **json.loads(sys.argv[4]))
except faultpoints.FaultInjected:
    os._exit(3)
"""


def made(folder: Path, target: str, rows: int) -> Files:
    files = Files(folder, "from.db", target)
    files.s("CREATE TABLE orders (id INTEGER PRIMARY KEY, v TEXT, seen TIMESTAMP NOT NULL)", FILL.format(rows))
    return files


def in_child(files: Files, options: dict[str, Any], *, points: str = "", kill_after: float | None = None) -> int:
    """How a process of its own ends that copies; DuckDB does not outlive a fork."""
    tests = str(Path(__file__).parents[2])
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, tests, str(files.folder), files.target, json.dumps(options), points],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout and child.stdout.readline() == "ready\n", child.communicate()[1]
    try:
        _, told = child.communicate(timeout=kill_after or 60)
    except subprocess.TimeoutExpired:
        child.kill()
        _, told = child.communicate()
    assert child.returncode in (0, DIED, FAILED), told
    return child.returncode


def prepare(files: Files, mode: str) -> None:
    files.t(*(f"DROP TABLE IF EXISTS {table}" for table in BOOKS))
    if mode != "append":
        files.t(
            "CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR, seen TIMESTAMP NOT NULL)",
            *(f"INSERT INTO orders VALUES ({number}, 'old', '2020-01-01 00:00:00')" for number in range(1, 40)),
        )


def there(files: Files, table: str) -> bool:
    """Both libraries know this view of their catalogue."""
    return bool(files.t(f"SELECT count(*) FROM sqlite_master WHERE name = '{table}'")[0][0])


def content(files: Files, name: str) -> list[tuple[Any, ...]]:
    return [(int(key), v, str(seen)) for key, v, seen in files.sql(name, "SELECT id, v, seen FROM orders ORDER BY id")]


def difference(files: Files) -> tuple[int, int]:
    """How many rows of the source are missing at the target, and how many are there too often."""
    found = content(files, files.target) if there(files, "orders") else []
    return _apart(content(files, files.source), found)


def _apart(wanted: list[tuple[Any, ...]], found: list[tuple[Any, ...]]) -> tuple[int, int]:
    left = collections.Counter(wanted)
    left.subtract(found)
    return sum(n for n in left.values() if n > 0), -sum(n for n in left.values() if n < 0)


class OfDatabaseFile(Killable):
    """From a SQLite file into one of SQLite or DuckDB, as the ending says."""

    rows, longest = 6000, 0.8
    orders = (
        {"mode": "append", "slice_rows": 700},
        {"mode": "append", "cursor": "seen"},
        {"mode": "replace"},
        {"mode": "merge", "slice_rows": 700},
        {"mode": "merge", "cursor": "seen"},
    )

    def __init__(self, folder: Path, target: str) -> None:
        self.name = "duckdb" if target.endswith(".duckdb") else "sqlite"
        self.files = made(folder, target, self.rows)

    def prepare(self, options: dict[str, Any], load: int) -> None:
        prepare(self.files, "append" if options["mode"] == "append" or load % 2 else options["mode"])
        if options["mode"] != "append" and there(self.files, "orders"):
            self.files.t("DELETE FROM orders")

    def run(self, options: dict[str, Any], kill_after: float) -> int:
        return in_child(self.files, options, kill_after=kill_after)

    def finished(self) -> bool:
        return there(self.files, "_etl_streams") and not self.files.t("SELECT max(running) FROM _etl_streams")[0][0]

    def difference(self) -> tuple[int, int]:
        return difference(self.files)

    def complaint(self, options: dict[str, Any]) -> str:
        beside = {path.name for path in self.files.folder.iterdir()} - {self.files.source, self.files.target}
        if beside:
            return f"left behind: {sorted(beside)}"
        if options["mode"] != "append" or "cursor" in options:  # a run by a cursor counts what it reads again
            return ""
        counted = self.files.t("SELECT sum(rows) FROM _etl_ledger")[0][0]
        return "" if counted == self.rows else f"the ledger says {counted} rows"


def lines(first: int, last: int, note: str = "v") -> str:
    return "".join(f"{n},{note}{n},2024-01-01 00:{n // 60 % 60:02}:{n % 60:02}\n" for n in range(first, last))


def written(folder: Path, rows: int, note: str = "v") -> End:
    end = file_tables.folder(folder, csv_types="infer")
    (folder / "orders.csv").write_text(f"id,v,at\n{lines(0, rows, note)}")
    return end


def left_behind(folder: Path) -> list[str]:
    """What belongs to nobody: unfinished files, and locks of the dead. What a swap locks is hidden, and stays."""
    found = [str(one) for one in folder.rglob("*.lock") if not one.name.startswith(".")]
    return [*found, *map(str, folder.rglob("*.part"))]


class OfTables(Killable):
    """From a CSV file into a table of files: rows come in in three lots, and a target lives for three loads."""

    lot, longest = 1200, 0.5

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder, self.now = name, folder, folder / "to"
        self.wanted = 0
        self.orders = (
            {"mode": "append", "cursor": "at", "key": ("id",)},
            {"mode": "append"},
            {"mode": "replace"},
            *(
                ({"mode": "merge", "key": ("id",), "cursor": "at"}, {"mode": "merge", "key": ("id",)})
                * (name == "lake")
            ),
        )

    def order(self, load: int) -> dict[str, Any]:
        return self.orders[load // 3 % len(self.orders)]

    def prepare(self, options: dict[str, Any], load: int) -> None:
        if load % 3 == 0 or options == {"mode": "append"}:
            shutil.rmtree(self.now, ignore_errors=True)
            self.target = file_tables.lake(self.now) if self.name == "lake" else file_tables.folder(self.now)
        self.wanted = self.lot * (load % 3 + 1)
        self.source = written(self.folder / "from", self.wanted)
        self.again = "cursor" in options  # it reads what is new, so ordering it once more is not a new run
        self.died_at_its_end = False

    def run(self, options: dict[str, Any], kill_after: float) -> int:
        child = Child(self.source, self.target, {"table": "orders.csv", "target": "orders", **options}, [0.6, 0.1])
        return child.run(kill_after=kill_after)

    def finished(self) -> bool:
        streams = [one for told in self.books() for one in told["streams"].values()]
        self.died_at_its_end = not self.again and bool(streams) and not any(one["running"] for one in streams)
        return self.died_at_its_end

    def difference(self) -> tuple[int, int]:
        return _apart([(n, f"v{n}") for n in range(self.wanted)], [row[:2] for row in self.found()])

    def complaint(self, options: dict[str, Any]) -> str:
        counted = sum(entry["rows"] for told in self.books() for entry in told["entries"])
        if options == {"mode": "append"} and counted != self.wanted:
            return f"the ledger says {counted} rows"
        # Who dies after its end holds its lock until the next run of this copy.
        left = [name for name in self.left() if not (self.died_at_its_end and name.endswith(".lock"))]
        return f"left behind: {left}" if left else ""

    def books(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in (self.now / "orders" / "_etl").glob("*.json")]

    def found(self) -> list[tuple[Any, ...]]:
        return (delta if self.name == "lake" else parquet)(self.now / "orders")

    def left(self) -> list[str]:
        return left_behind(self.now)


class OfBucket(OfTables):
    """Judged by boto3, which fetches the objects, and DuckDB, which reads them."""

    def __init__(self, folder: Path, server: S3Server) -> None:
        super().__init__("s3", folder)
        self.server, self.bucket = server, server.new_bucket()

    def prepare(self, options: dict[str, Any], load: int) -> None:
        super().prepare(options, load)
        if load % 3 == 0 or options == {"mode": "append"}:
            self.bucket = self.server.new_bucket()
        self.target = file_tables.bucket(self.server, self.bucket)

    def books(self) -> list[dict[str, Any]]:
        keys = [key for key in self.server.keys(self.bucket, "orders/_etl/") if key.endswith(".json")]
        return [json.loads(self._fetched(key)) for key in keys]

    def found(self) -> list[tuple[Any, ...]]:
        with tempfile.TemporaryDirectory() as folder:
            keys = [key for key in self.server.keys(self.bucket, "orders/") if key.endswith(".parquet")]
            for number, key in enumerate(keys):
                (Path(folder) / f"{number}.parquet").write_bytes(self._fetched(key))
            return parquet(Path(folder)) if keys else []

    def left(self) -> list[str]:
        uploads = self.server.client().list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())
        locks = [key for key in self.server.keys(self.bucket) if key.endswith((".lock", ".part"))]
        return [*locks, *(one["Key"] for one in uploads)]

    def _fetched(self, key: str) -> bytes:
        return bytes(self.server.client().get_object(Bucket=self.bucket, Key=key)["Body"].read())
