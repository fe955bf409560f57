"""Copies of tables that are files, in this process or in one that dies; judged by readers that are not ours."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from s3_servers import S3Server

from etl_engine.connectors import registry
from etl_engine.connectors.contract import Surroundings
from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.model.copies import CopyOrder, CopyPlan, CopyReceipt

DIED, FAILED = -signal.SIGKILL, 3
SECONDS = 90.0
_JOB = Path(__file__).with_name("copy_job.py")


@dataclass
class End:
    """One end of a copy: the fields of its connection, and where files may lie."""

    values: dict[str, Any]
    roots: tuple[Path, ...] = ()
    deny: tuple[Any, ...] = ()
    forbidden: tuple[Path, ...] = ()

    @property
    def connector(self) -> Any:
        kind = registry.kind(self.values["db_type"])
        config = kind.config.model_validate({"name": "one end", **self.values})
        return kind.make(config, Surroundings(self.deny, self.roots, self.forbidden))


def folder(path: Path, **options: Any) -> End:
    path.mkdir(parents=True, exist_ok=True)
    return End({"db_type": "files", "folder": str(path), **options}, (path,))


def lake(path: Path, **options: Any) -> End:
    path.mkdir(parents=True, exist_ok=True)
    return End({"db_type": "lake", "folder": str(path), **options}, (path,))


def bucket(server: S3Server, name: str, **options: Any) -> End:
    return End({"db_type": "s3", **server.values(name), **options})


def lake_in_bucket(server: S3Server, name: str, **options: Any) -> End:
    return End({"db_type": "lake", **server.values(name), "folder": "lake", **options})


def order(table: str, target: str, **options: Any) -> CopyOrder:
    values = {"source_id": "one", "target_id": "other", "table": table, "target": target, **options}
    return CopyOrder.model_validate(values)


def _ends(source: End, target: End) -> Ends:
    one, other = source.connector, target.connector
    return Ends(one.open_source, other.open_destination, other.open_source)


def copy(source: End, table: str, target: End, name: str, **options: Any) -> CopyReceipt:
    return transfer.run(order(table, name, **options), _ends(source, target), Progress(), Stop())


def plan(source: End, table: str, target: End, name: str, **options: Any) -> CopyPlan:
    return transfer.plan(order(table, name, **options), _ends(source, target))


@dataclass
class Child:
    """A copy in a process of its own."""

    source: End
    target: End
    order: dict[str, Any]
    lease: list[float] = field(default_factory=lambda: [1.0, 0.2])

    def run(self, *, points: str = "", kill_after: float | None = None, times: int = 1) -> int:
        """How it ended; `kill_after` seconds are counted from when it begins its work."""
        process = self.start(points=points, times=times)
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"begins", process.stderr.read() if process.stderr else ""
        began = time.monotonic()
        while process.poll() is None:
            lasted = time.monotonic() - began
            if kill_after is not None and lasted > kill_after:
                process.kill()
                kill_after = None
            assert lasted < SECONDS, "the child does not end"
            time.sleep(0.005)
        told = process.stderr.read().decode() if process.stderr else ""
        process.stdout.close()
        if process.stderr:
            process.stderr.close()
        assert process.returncode in (0, DIED, FAILED), told
        return process.returncode

    def start(self, *, points: str = "", times: int = 1) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(_JOB)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
        )
        job = {
            "source": self.source.values,
            "target": self.target.values,
            "roots": [str(root) for root in {*self.source.roots, *self.target.roots}],
            "order": {"source_id": "one", "target_id": "other", **self.order},
            "points": points,
            "times": times,
            "lease": self.lease,
        }
        assert process.stdin is not None
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.close()
        process.stdin = None  # communicate() would flush it
        return process


def manifest(path: Path) -> dict[str, Any]:
    """As anybody could read it."""
    return dict(json.loads((path / "_etl" / "manifest.json").read_text()))


def parquet(path: Path, query: str = "SELECT * FROM t ORDER BY ALL") -> list[tuple[Any, ...]]:
    """What DuckDB finds in the Parquet files of a table, whatever the manifest says."""
    with duckdb.connect() as session:
        session.execute(f"CREATE VIEW t AS SELECT * FROM read_parquet('{path}/*.parquet', union_by_name=true)")
        return session.execute(query).fetchall()


def live(path: Path) -> list[str]:
    """The files that the log of a Delta table leads to, read here by hand: not by the library that wrote it."""
    found: dict[str, None] = {}
    for log in sorted((path / "_delta_log").glob("*.json")):
        for line in log.read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                found[action["add"]["path"]] = None
            elif "remove" in action:
                found.pop(action["remove"]["path"], None)
    return list(found)


def delta(path: Path, query: str = "SELECT * FROM t ORDER BY ALL") -> list[tuple[Any, ...]]:
    """What is in the files that the log leads to, found by DuckDB."""
    names = live(path)
    with duckdb.connect() as session:
        if not names:
            return []
        files = ", ".join(f"'{path / name}'" for name in names)
        session.execute(f"CREATE VIEW t AS SELECT * FROM read_parquet([{files}], union_by_name=true)")
        return session.execute(query).fetchall()
