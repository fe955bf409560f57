"""PostgreSQL to Parquet and back, and into the lake: `etl-engine copy`, beside what DuckDB and pyarrow take alone.

    python benchmarks/copy_files.py --rows 2000000 --repeat 3

Starts a private server in a temporary folder, with its durability on. Prints seconds (median), the ratio to the floor,
and the peak memory of the mover. The floors: psql's COPY into pyarrow's CSV reader and Parquet writer, and DuckDB's
reading of the same Parquet into psql's COPY.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from copy_postgresql import COLUMNS, SETTINGS, SHAPE, Bench
from servers import PostgresServer, start_postgres, temporary

_PARQUET = """
import sys, pyarrow as pa, pyarrow.csv as c, pyarrow.parquet as q
read = c.open_csv(sys.stdin.buffer, read_options=c.ReadOptions(block_size=4 << 20),
                  convert_options=c.ConvertOptions(column_types={'amount': pa.decimal128(12, 2)}))
with q.ParquetWriter(sys.argv[1], read.schema, compression='zstd') as out:
    for batch in read: out.write_batch(batch)
"""
_CSV = """
import sys, duckdb
duckdb.execute("SET enable_progress_bar = false")
duckdb.execute(f"COPY (SELECT * FROM read_parquet('{sys.argv[1]}')) TO '/dev/stdout' (FORMAT csv, HEADER false)")
"""


class FileBench(Bench):
    """The same table, and a folder of files beside it."""

    def __init__(self, server: PostgresServer, folder: Path, rows: int) -> None:
        super().__init__(server, folder, rows)
        self.files = folder / "data" / "files"
        for name, kind in (("files", "files"), ("lake", "lake")):
            self.files.mkdir(parents=True, exist_ok=True)
            (self.files / kind).mkdir(exist_ok=True)
            add = [*self.command("connections", "add", name), "--type", kind, "--option", f"folder={kind}"]
            subprocess.run(add, env=self.environment, check=True, capture_output=True, text=True)

    def clear(self) -> None:
        for kind in ("files", "lake"):
            shutil.rmtree(self.files / kind)
            (self.files / kind).mkdir()

    def copy(self, *words: str) -> tuple[float, int]:
        return self.measured(self.command("copy", *words, "--json"))

    def out_floor(self) -> tuple[float, int]:
        query = f"COPY (SELECT {COLUMNS} FROM src) TO STDOUT (FORMAT csv, HEADER)"
        target = self.files / "files" / "floor.parquet"
        return self.sh(f"{self.psql} -Xd a -c '{query}' | {sys.executable} -c \"$WORK\" {target}")

    def in_floor(self, source: Path) -> tuple[float, int]:
        into = f"COPY tgt ({COLUMNS}) FROM STDIN (FORMAT csv)"
        return self.sh(f"{sys.executable} -c \"$WORK\" '{source}' | {self.psql} -Xq -d b -c '{into}'")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=2_000_000)
    arguments.add_argument("--repeat", type=int, default=3)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, temporary(start_postgres, settings=SETTINGS) as server:
        bench = FileBench(server, Path(folder), chosen.rows)
        print(f"{chosen.rows:,} rows, {chosen.repeat} times in turns, {os.cpu_count()} cores", flush=True)
        took: dict[str, list[tuple[float, int]]] = {}
        for _ in range(chosen.repeat):
            one_round(bench, took)
        print("| work | floor s | etl-engine copy s | ratio | memory MB |\n|---|---|---|---|---|")
        for name, runs in took.items():
            if name.startswith("floor "):
                continue
            floor = took.get(f"floor {name}") or took["floor PG -> Parquet"]
            seconds, base = (statistics.median(one[0] for one in many) for many in (runs, floor))
            memory = max(one[1] for one in runs)
            print(f"| {name} | {base:.2f} | {seconds:.2f} | {seconds / base:.2f} | {memory / 1e6:.0f} |")
        print(f"the command's own start: {statistics.median(bench.idle()[0] for _ in range(3)):.2f} s")


def one_round(bench: FileBench, took: dict[str, list[tuple[float, int]]]) -> None:
    def note(name: str, found: tuple[float, int]) -> None:
        took.setdefault(name, []).append(found)

    bench.clear()
    bench.environment["WORK"] = _PARQUET
    note("floor PG -> Parquet", bench.out_floor())
    note("PG -> Parquet", bench.copy("a", "src", "files", "src"))
    note("PG -> lake", bench.copy("a", "src", "lake", "src"))
    (part,) = sorted((bench.files / "files" / "src").glob("*.parquet"))[:1]
    bench.server.sql(f"DROP TABLE IF EXISTS tgt; CREATE TABLE tgt ({SHAPE.format('PRIMARY KEY')})", database="b")
    bench.environment["WORK"] = _CSV
    note("floor Parquet -> PG", bench.in_floor(part.parent / "*.parquet"))
    bench.reset(filled=False)
    lossy = [word for name in ("code",) for word in ("--allow-lossy", name)]
    note("Parquet -> PG", bench.copy("files", "src", "b", "tgt", *lossy))
    bench.check()


if __name__ == "__main__":
    main()
