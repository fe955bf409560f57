"""`etl-engine copy` beside the floor and other tools: the same rows, in turns, in one run; prints the ratio table.

    python benchmarks/data_plane.py --rows 2000000 --repeat 3
    python benchmarks/data_plane.py --case mysql-pg --peers dlt,sling --rows 500000

Starts private servers in a temporary folder, with their durability on. Peers are installed into --home (a folder to
keep; default: a temporary one). Every result is compared with its source by the servers before its time counts.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARQUET = ROOT / "benchmarks" / "parquet_file.py"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

import peers  # noqa: E402
import psycopg2  # noqa: E402
from copy_postgresql import COLUMNS, FILL, SETTINGS, SHAPE  # noqa: E402
from copying import psql_program  # noqa: E402
from peers import End  # noqa: E402
from processor import spent  # noqa: E402
from servers import MariadbServer, PostgresServer, start_mariadb, start_postgres, temporary  # noqa: E402

MY_SHAPE = """id bigint PRIMARY KEY, customer_id int NOT NULL, code varchar(20) NOT NULL, name varchar(255),
    email varchar(255), amount decimal(12,2), price double, active tinyint(1), created date,
    updated datetime(6) NOT NULL, note text, full_name varchar(255)"""
MY_SETTINGS = {"innodb-flush-log-at-trx-commit": "1", "innodb-buffer-pool-size": "512M", "innodb-log-file-size": "1G",
               "local-infile": "1", "character-set-server": "utf8mb4"}  # fmt: skip
LOAD = (
    "LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE tgt CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY "
    "ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'"
)
# What MySQL takes as a value of these columns: numbers for truth, no zone on its clock readings.
FOR_MYSQL = COLUMNS.replace("active", "active::int").replace("updated", "updated at time zone 'UTC'")
PLAIN = "SELECT count(*), sum(id), sum(customer_id), sum(amount), count(note), sum(length(full_name)) FROM {}"


@dataclass
class Case:
    name: str
    source: Callable[[], End]
    target: Callable[[], End]
    ours: list[str]
    mode: str = "append"
    floor: str = ""
    reset: Callable[[], None] = lambda: None
    check: Callable[[], None] = lambda: None
    whole: Callable[[], End] | None = None  # merging: what a peer loads first, untimed, as its own table
    times: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    processor: dict[str, list[float]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)


class Bench:
    """The servers, their rows, and one installation of the product."""

    def __init__(self, pg: PostgresServer, my: MariadbServer, folder: Path, rows: int) -> None:
        self.pg, self.my, self.folder, self.rows = pg, my, folder, rows
        self.processor = 0.0  # seconds of the last command and of the servers for it
        self.psql, self.mariadb = psql_program(), shutil.which("mariadb") or ""
        self.out = folder / "out"
        self.out.mkdir()
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "PGHOST": pg.host, "PGPORT": str(pg.port),
            "PGUSER": pg.user, "PGPASSWORD": pg.password, "MYSQL_PWD": my.password, "DATA_DIR": str(folder / "data"),
            "FILE_ROOTS": str(folder), "RUNTIME__DLTHUB_TELEMETRY": "false", "INGESTR_DISABLE_TELEMETRY": "true",
            "DISABLE_TELEMETRY": "true", "SLING_DISABLE_TELEMETRY": "true", "PGSSLMODE": "disable",
        }  # fmt: skip
        self.client = f"{self.mariadb} --no-defaults -h127.0.0.1 -P{my.port} -u{my.user} --skip-ssl --local-infile=1"
        self._fill()
        self._connections()

    def _fill(self) -> None:
        self.pg.sql("CREATE DATABASE a", "CREATE DATABASE b")
        self.pg.sql(f"CREATE TABLE src ({SHAPE.format('PRIMARY KEY')})", FILL.format(self.rows), database="a")
        self.pg.sql("VACUUM ANALYZE src", database="a")
        changed = FILL.format(self.rows).replace("INTO src", "INTO src5").replace("'name '", "'new '")
        few = changed.replace(f"generate_series(1, {self.rows})", f"generate_series(1, {self.rows}, 20)")
        self.pg.sql(f"CREATE TABLE src5 ({SHAPE.format('PRIMARY KEY')})", few, "VACUUM ANALYZE src5", database="a")
        self.my.sql("CREATE DATABASE a", "CREATE DATABASE b")
        self.my.sql(f"CREATE TABLE tgt ({MY_SHAPE})", database="a")
        self.sh(self.into_mysql("a"))
        self.my.sql("RENAME TABLE tgt TO src", "ANALYZE TABLE src", database="a")
        self._write_parquet()

    def _write_parquet(self) -> None:
        (self.folder / "in").mkdir()
        text, into = self.folder / "src.csv", self.folder / "in" / "src.parquet"
        self.sh(f'{self.psql} -Xd a -c "COPY src TO STDOUT (FORMAT csv, HEADER)" > {text}')
        subprocess.run([sys.executable, str(PARQUET), "write", str(text), str(into)], check=True)
        text.unlink()

    def into_mysql(self, database: str) -> str:
        query = f"COPY (SELECT {FOR_MYSQL} FROM src) TO STDOUT (FORMAT csv, NULL 'NULL')"
        return (
            f'{self.psql} -Xd a -c "{query}" | {self.client} {database} -e "{LOAD.replace(chr(34), chr(92) + chr(34))}"'
        )

    def _connections(self) -> None:
        for name, server, kind in (("a", self.pg, "postgresql"), ("b", self.pg, "postgresql"),
                                   ("my_a", self.my, "mysql"), ("my_b", self.my, "mysql")):  # fmt: skip
            add = [*self.command("connections", "add", name), "--type", kind, "--host", server.host, "--port",
                   str(server.port), "--database", name[-1], "--username", server.user, "--password-stdin"]  # fmt: skip
            subprocess.run(add, input=server.password, text=True, env=self.environment, check=True, capture_output=True)
        for name in ("in", "out"):
            add = [*self.command("connections", "add", name), "--type", "files", "--option", f"folder={name}"]
            subprocess.run(add, env=self.environment, check=True, capture_output=True)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "etl_engine.cli", *words]

    def sh(self, line: str) -> tuple[float, int]:
        return self.measured(["bash", "-o", "pipefail", "-c", line])

    def measured(self, command: list[str]) -> tuple[float, int]:
        """Seconds of the whole command, and the peak memory of its largest process in bytes."""
        with (self.folder / "said").open("w+b") as said:
            servers = [self.pg.process.pid, self.my.process.pid]
            before, began = spent(servers), time.perf_counter()
            process = subprocess.Popen(command, env=self.environment, cwd=self.folder, stdout=said, stderr=said)
            _, status, used = os.wait4(process.pid, 0)
            took = time.perf_counter() - began
            self.processor = used.ru_utime + used.ru_stime + spent(servers) - before
            if status:
                said.seek(0)
                raise RuntimeError(said.read().decode(errors="replace")[-2000:])
        return took, used.ru_maxrss * 1024

    def pg_end(self, database: str, table: str) -> End:
        user = f"{self.pg.user}:{self.pg.password}"
        return End(f"postgresql://{user}@{self.pg.host}:{self.pg.port}/{database}", f"public.{table}")

    def my_end(self, database: str, table: str) -> End:
        user = f"{self.my.user}:{self.my.password}"
        return End(f"mysql://{user}@{self.my.host}:{self.my.port}/{database}", f"{database}.{table}")

    def pg_reset(self, *, filled: bool = False) -> None:
        self.clear()
        self.pg.sql(f"CREATE TABLE tgt ({SHAPE.format('PRIMARY KEY')})", database="b")
        if filled:
            self.sh(f'{self.psql} -Xd a -c "COPY src TO STDOUT (FORMAT binary)" | '
                    f'{self.psql} -Xqd b -c "COPY tgt FROM STDIN (FORMAT binary)"')  # fmt: skip
        self.pg.sql("CHECKPOINT", database="b")

    def clear(self) -> None:
        """No table at all: each tool makes its own."""
        drop = "DROP TABLE IF EXISTS tgt, _etl_ledger, _etl_streams, _etl_seen, _etl_rejects"
        loaded = "DROP SCHEMA IF EXISTS public_staging CASCADE"
        state = "DROP TABLE IF EXISTS _dlt_loads, _dlt_pipeline_state, _dlt_version"
        self.pg.sql(drop, loaded, state, "CHECKPOINT", database="b")
        self.my.sql(drop, database="b")
        shutil.rmtree(self.out)
        self.out.mkdir()

    def my_reset(self) -> None:
        self.clear()
        self.my.sql(f"CREATE TABLE tgt ({MY_SHAPE})", database="b")

    def pg_check(self, table: str = "src") -> None:
        self._same(self.pg.sql(PLAIN.format("tgt"), database="b"), self.pg.sql(PLAIN.format(table), database="a"))

    def merged_check(self) -> None:
        new = self.pg.sql("SELECT count(*) FROM tgt WHERE name LIKE 'new %'", database="b")
        self._same(new, self.pg.sql("SELECT count(*) FROM src5", database="a"))
        self.pg_check()

    def my_check(self) -> None:
        self._same(self.my.sql(PLAIN.format("tgt"), database="b"), self.my.sql(PLAIN.format("src"), database="a"))

    def out_check(self) -> None:
        words = [sys.executable, str(PARQUET), "count", str(self.out)]
        rows = int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        if rows != self.rows:
            raise RuntimeError(f"{rows} rows in the files instead of {self.rows}")

    @staticmethod
    def _same(there: list[tuple[object, ...]], here: list[tuple[object, ...]]) -> None:
        if list(map(str, there[0])) != list(map(str, here[0])):
            raise RuntimeError(f"the target is not what the source is: {there[0]} instead of {here[0]}")


def cases(b: Bench) -> list[Case]:
    def pipe(table: str, *into: str) -> str:
        steps = " ".join(f'-c "{step}"' for step in into)
        return f'{b.psql} -Xd a -c "COPY {table} TO STDOUT (FORMAT binary)" | {b.psql} -Xq1d b {steps}'

    def from_pg() -> End:
        return b.pg_end("a", "src")

    def into_pg() -> End:
        return b.pg_end("b", "tgt")

    upsert = "INSERT INTO tgt SELECT * FROM stg ON CONFLICT (id) DO UPDATE SET " + ", ".join(
        f"{name} = excluded.{name}" for name in COLUMNS.split(", ")[1:]
    )
    staged = ["CREATE TEMP TABLE stg AS SELECT * FROM tgt WITH NO DATA", "COPY stg FROM STDIN (FORMAT binary)", upsert]
    select = f'{b.client} a --batch --quick --skip-column-names -e "SELECT * FROM src"'
    take = f"{b.psql} -Xq1d b -c \"SET timezone='UTC'\" -c \"COPY tgt FROM STDIN (NULL 'NULL')\""
    file_in, file_out = End(f"file://{b.folder}/in/src.parquet"), End(f"file://{b.out}/tgt.parquet")
    return [
        Case(
            "pg-pg",
            from_pg,
            into_pg,
            ["a", "src", "b", "tgt"],
            floor=pipe("src", "COPY tgt FROM STDIN (FORMAT binary)"),
            reset=b.pg_reset,
            check=b.pg_check,
        ),
        Case(
            "mysql-pg",
            lambda: b.my_end("a", "src"),
            into_pg,
            ["my_a", "src", "b", "tgt"],
            floor=f"{select} | {take}",
            reset=b.pg_reset,
            check=b.pg_check,
        ),
        Case(
            "pg-mysql",
            from_pg,
            lambda: b.my_end("b", "tgt"),
            ["a", "src", "my_b", "tgt"],
            floor=b.into_mysql("b"),
            reset=b.my_reset,
            check=b.my_check,
        ),
        Case("pg-parquet", from_pg, lambda: file_out, ["a", "src", "out", "tgt.parquet"], check=b.out_check),
        Case("parquet-pg", lambda: file_in, into_pg, ["in", "src.parquet", "b", "tgt"], check=b.pg_check),
        Case(
            "merge",
            lambda: b.pg_end("a", "src5"),
            into_pg,
            ["a", "src5", "b", "tgt", "--key", "id"],
            mode="merge",
            floor=pipe("src5", *staged),
            reset=lambda: b.pg_reset(filled=True),
            check=b.merged_check,
            whole=from_pg,
        ),
    ]


def once(bench: Bench, case: Case, mover: str, homes: dict[str, Path], turn: int) -> None:
    if mover in case.said:
        return
    try:
        seconds, peak = timed(bench, case, mover, homes, turn)
        processor = bench.processor
        case.check()
    except (RuntimeError, OSError, psycopg2.Error) as error:
        case.said[mover] = str(error).strip().splitlines()[-1][:160]
        return
    case.times.setdefault(mover, []).append(seconds)
    case.processor.setdefault(mover, []).append(processor)
    case.memory[mover] = max(case.memory.get(mover, 0), peak)


def timed(bench: Bench, case: Case, mover: str, homes: dict[str, Path], turn: int) -> tuple[float, int]:
    if mover == "floor":
        case.reset()
        return bench.sh(case.floor)
    if mover == "etl-engine":
        (case.reset if case.name in ("pg-pg", "merge") else bench.clear)()
        return bench.measured([*bench.command("copy", *case.ours), "--mode", case.mode, "--json"])
    bench.clear()
    work = bench.folder / f"{mover}-{case.name}-{turn}"
    work.mkdir(exist_ok=True)

    def of(source: End, mode: str) -> list[str]:
        words = peers.command(mover, homes[mover], source, case.target(), mode, work)
        if words is None:
            raise RuntimeError("has no way")
        return words

    if case.whole:
        bench.measured(of(case.whole(), "replace"))
    return bench.measured(of(case.source(), case.mode))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=2_000_000)
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--case", action="append", default=[])
    arguments.add_argument("--peers", default="dlt,sling,ingestr", help="comma-separated; empty for none")
    arguments.add_argument("--home", type=Path, help="where the peers' environments are kept")
    chosen = arguments.parse_args()
    names = [name for name in chosen.peers.split(",") if name]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="etl-bench-")))
        homes = peers.prepare(chosen.home or folder / "peers", names)
        pg = stack.enter_context(temporary(start_postgres, settings=SETTINGS))
        my = stack.enter_context(temporary(start_mariadb, settings=MY_SETTINGS))
        bench = Bench(pg, my, folder, chosen.rows)
        print(f"{chosen.rows:,} rows, {chosen.repeat} times in turns, {os.cpu_count()} cores", flush=True)
        for case in cases(bench):
            if chosen.case and case.name not in chosen.case:
                continue
            for turn in range(chosen.repeat):
                for mover in (["floor"] if case.floor else []) + ["etl-engine", *names]:
                    once(bench, case, mover, homes, turn)
            show(case)


def show(case: Case) -> None:
    ours = statistics.median(case.times.get("etl-engine", [float("nan")]))
    print(f"\n| {case.name} | seconds | of etl-engine | CPU s | memory MB |\n|---|---|---|---|---|")
    for mover, times in case.times.items():
        middle = statistics.median(times)
        processor = statistics.median(case.processor[mover])
        memory = case.memory[mover] / 1e6
        print(f"| {mover} | {middle:.2f} | {middle / ours:.2f} | {processor:.2f} | {memory:.0f} |")
    for mover, said in case.said.items():
        print(f"| {mover} | {said} | | | |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
