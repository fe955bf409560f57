"""PostgreSQL to PostgreSQL: `etl-engine copy` beside the fair floor of each write mode by psql, interleaved.

    python benchmarks/copy_postgresql.py --rows 2000000 --repeat 5
    python benchmarks/copy_postgresql.py --rows 20000000 --repeat 1 --only lanes
    python benchmarks/copy_postgresql.py --rows 1000 --only cells --cells 100

Starts a private server in a temporary folder, with its durability on. Prints seconds (median), the ratio to the floor
in the same wire format, and the peak memory of the mover. Times vary between runs of a busy machine; ratios less so.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from copying import psql_program  # noqa: E402
from processor import spent  # noqa: E402
from servers import PostgresServer, start_postgres, temporary  # noqa: E402

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "max_wal_size": "4GB",
}
COLUMNS = "id, customer_id, code, name, email, amount, price, active, created, updated, note, full_name"
SHAPE = """id bigint {}, customer_id int NOT NULL, code varchar(20) NOT NULL, name text, email text,
    amount numeric(12,2), price double precision, active boolean, created date, updated timestamptz NOT NULL,
    note text, full_name text"""
FILL = """INSERT INTO src SELECT g, g % 50000, 'C' || g, 'name ' || g % 1000, 'user' || g || '@example.com', g / 7.0,
    g / 3.0, g % 2 = 0, date '2020-01-01' + (g % 2000)::int, timestamptz '2024-01-01' + g * interval '1 second',
    CASE WHEN g % 5 > 0 THEN md5(g::text) END, 'First' || g % 300 || ' Last' || g % 700
    FROM generate_series(1, {}) g"""
UPSERT = f"INSERT INTO tgt ({COLUMNS}) SELECT {COLUMNS} FROM stg ON CONFLICT (id) DO UPDATE SET " + ", ".join(
    f"{c} = excluded.{c}" for c in COLUMNS.split(", ")[1:]
)


class Bench:
    """One server, two databases, one installation of the product."""

    def __init__(self, server: PostgresServer, folder: Path, rows: int) -> None:
        self.rows = rows
        self.server = server
        self.processor = 0.0  # seconds of the last command and of the server for it
        self.psql = psql_program()
        self.environment = {
            "PATH": os.environ["PATH"],
            "PGHOST": server.host,
            "PGPORT": str(server.port),
            "PGUSER": server.user,
            "PGPASSWORD": server.password,
            "DATA_DIR": str(folder / "data"),
        }
        server.sql("CREATE DATABASE a", "CREATE DATABASE b")
        self.sh(f'{self.psql} -Xq -d a -c "CREATE TABLE src ({SHAPE.format("PRIMARY KEY")})"')
        server.sql(FILL.format(rows), "VACUUM ANALYZE src", database="a")
        for name in ("a", "b"):
            add = [*self.command("connections", "add", name), "--type", "postgresql", "--host", server.host]
            add += ["--port", str(server.port), "--database", name, "--username", server.user, "--password-stdin"]
            subprocess.run(add, input=server.password, text=True, env=self.environment, check=True, capture_output=True)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "etl_engine.cli", *words]

    def sh(self, line: str) -> tuple[float, int]:
        """Seconds, and the peak memory of the largest process in bytes."""
        return self.measured(["bash", "-o", "pipefail", "-c", line])

    def measured(self, command: list[str]) -> tuple[float, int]:
        servers = [self.server.process.pid]
        before, began = spent(servers), time.perf_counter()
        process = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
        if status:
            raise SystemExit(f"{command} ended with {status}")
        self.processor = used.ru_utime + used.ru_stime + spent(servers) - before
        return took, used.ru_maxrss * 1024

    def reset(self, *, filled: bool) -> None:
        drop = "DROP TABLE IF EXISTS tgt, tgt_new, _etl_ledger, _etl_streams, _etl_seen, _etl_rejects"
        self.server.sql(drop, f"CREATE TABLE tgt ({SHAPE.format('PRIMARY KEY')})", database="b")
        if filled:
            self.ours("append")
        self.server.sql("CHECKPOINT", database="b")

    def floor(self, mode: str) -> tuple[float, int]:
        out = f'{self.psql} -Xd a -c "COPY (SELECT {COLUMNS} FROM src) TO STDOUT (FORMAT binary)"'
        into = f"{self.psql} -Xq1 -v ON_ERROR_STOP=1 -d b"
        steps = {
            "append": [f"COPY tgt ({COLUMNS}) FROM STDIN (FORMAT binary)"],
            "replace": [
                f"CREATE TABLE tgt_new ({SHAPE.format('')})",
                f"COPY tgt_new ({COLUMNS}) FROM STDIN (FORMAT binary)",
                "ALTER TABLE tgt_new ADD PRIMARY KEY (id)",
                "DROP TABLE tgt",
                "ALTER TABLE tgt_new RENAME TO tgt",
            ],
            "merge": [
                "CREATE TEMP TABLE stg AS SELECT * FROM tgt WITH NO DATA",
                f"COPY stg ({COLUMNS}) FROM STDIN (FORMAT binary)",
                UPSERT,
            ],
        }[mode]
        return self.sh(f"{out} | {into} " + " ".join(f'-c "{step}"' for step in steps))

    def ours(self, mode: str, *more: str) -> tuple[float, int]:
        return self.measured(self.command("copy", "a", "src", "b", "tgt", "--mode", mode, "--json", *more))

    def idle(self) -> tuple[float, int]:
        return self.measured(self.command("--version"))

    def check(self) -> None:
        looked = "SELECT count(*), sum(hashtext(t::text)::bigint) FROM {} t"
        if self.server.sql(looked.format("tgt"), database="b") != self.server.sql(looked.format("src"), database="a"):
            raise SystemExit("the target is not what the source is")


def modes(bench: Bench, repeat: int) -> None:
    print("| mode | floor s | etl-engine copy s | ratio | memory MB |\n|---|---|---|---|---|", flush=True)
    for mode in ("append", "replace", "merge"):
        floors, ours, memory = [], [], 0
        for _ in range(repeat):
            bench.reset(filled=False)
            floors.append(bench.floor(mode)[0])
            bench.check()
            bench.reset(filled=False)
            seconds, peak = bench.ours(mode)
            bench.check()
            ours.append(seconds)
            memory = max(memory, peak)
        floor, took = statistics.median(floors), statistics.median(ours)
        print(f"| {mode} | {floor:.2f} | {took:.2f} | {took / floor:.2f} | {memory / 1e6:.0f} |", flush=True)


def lanes(bench: Bench, repeat: int) -> None:
    """Appending in each lane, in turns; the ratio is to the relay."""
    ways = {
        "relay": ("--lane", "relay"),
        "text": ("--lane", "text", "--readers", "1"),
        "typed": ("--lane", "typed", "--readers", "1"),
        "typed, 2 readers": ("--lane", "typed", "--readers", "2"),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    peaks = dict.fromkeys(ways, 0)
    for _ in range(repeat):
        for name, options in ways.items():
            bench.reset(filled=False)
            seconds, peak = bench.ours("append", *options)
            bench.check()
            took[name].append(seconds)
            peaks[name] = max(peaks[name], peak)
    print("| lane | seconds | to the relay | memory MB |\n|---|---|---|---|", flush=True)
    relay = statistics.median(took["relay"])
    for name, all_seconds in took.items():
        seconds = statistics.median(all_seconds)
        print(f"| {name} | {seconds:.2f} | {seconds / relay:.2f} | {peaks[name] / 1e6:.0f} |", flush=True)


def cells(bench: Bench, size: int) -> None:
    """Five rows with a cell of so many megabytes: what the command takes more than for small ones, in cells."""
    made = {"bytea": "decode(repeat(md5(g::text), {}), 'hex')", "text": "repeat(md5(g::text), {})"}
    print("| cells | lane | memory MB | cells more |\n|---|---|---|---|", flush=True)
    for native, expression in made.items():
        width = 16 if native == "bytea" else 32
        for lane in ("relay", "text", "typed"):
            peaks = []
            for repeated in (1, size * 1_000_000 // width):
                fill = f"INSERT INTO cells SELECT g, {expression.format(repeated)} FROM generate_series(1, 5) g"
                table = f"CREATE TABLE cells (id int PRIMARY KEY, v {native})"
                bench.server.sql("DROP TABLE IF EXISTS cells", database="b")
                bench.server.sql("DROP TABLE IF EXISTS cells", table, fill, database="a")
                command = bench.command(
                    "copy", "a", "cells", "b", "cells", "--mode", "replace", "--lane", lane, "--json"
                )
                peaks.append(bench.measured(command)[1])
            more = (peaks[1] - peaks[0]) / (size * 1_000_000)
            print(f"| {native} of {size} MB | {lane} | {peaks[1] / 1e6:.0f} | {more:.1f} |", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=2_000_000)
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--only", choices=("modes", "lanes", "cells"))
    arguments.add_argument("--cells", type=int, default=0, help="megabytes of a cell; 0: none are measured")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, temporary(start_postgres, settings=SETTINGS) as server:
        bench = Bench(server, Path(folder), chosen.rows)
        print(f"{chosen.rows:,} rows, {chosen.repeat} times in turns, {os.cpu_count()} cores", flush=True)
        if chosen.only in (None, "modes"):
            modes(bench, chosen.repeat)
        if chosen.only in (None, "lanes"):
            lanes(bench, chosen.repeat)
        if chosen.cells:
            cells(bench, chosen.cells)
        start = statistics.median(bench.idle()[0] for _ in range(3))
        print(f"the command's own start: {start:.2f} s (in every figure of etl-engine copy)")


if __name__ == "__main__":
    main()
