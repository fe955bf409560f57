"""A mapping PostgreSQL to PostgreSQL (direct, split, join, cast) beside psql's pipe of the same rows, interleaved.

    python benchmarks/mapping.py --rows 2000000 --repeat 3

The floor moves the unmapped rows as text; the mapping is a whole execution in a process of its own, ledger included.
Both sides are one private server with its durability on. Prints seconds (median), the ratio, the peak memory, and the
seconds of the processor that each side took (mean).
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from copy_postgresql import COLUMNS, SETTINGS, SHAPE, Bench  # noqa: E402
from servers import start_postgres, temporary  # noqa: E402

PLAIN = ("id", "customer_id", "code", "name", "amount", "price", "active", "created", "updated", "note")
TYPES = {
    "id": "integer",
    "customer_id": "integer",
    "amount": "decimal(12,2)",
    "price": "float",
    "active": "boolean",
    "created": "date",
    "updated": "timestamptz",
}
RULES = [
    *({"type": "direct", "source_columns": [name], "target_fields": [name]} for name in PLAIN if name != "code"),
    {
        "type": "split",
        "source_columns": ["full_name"],
        "target_fields": ["first", "last"],
        "config": {"delimiter": " "},
    },
    {
        "type": "join",
        "source_columns": ["code", "email"],
        "target_fields": ["contact"],
        "config": {"separator": " <"},
    },
    # A cast: a number out of a text.
    {
        "type": "direct",
        "source_columns": ["code"],
        "target_fields": ["code"],
        "config": {"steps": [{"op": "replace", "find": "C", "replacement": ""}]},
    },
]
MAPPED = """SELECT id, customer_id, name, amount, price, active, created, updated, note,
    split_part(full_name, ' ', 1) AS first, split_part(full_name, ' ', 2) AS last,
    code || ' <' || email AS contact, replace(code, 'C', '')::bigint AS code FROM src"""


def prepare(bench: Bench) -> str:
    """The documents of the mapping, in the store that `etl-engine connections add` has made; its id."""
    from etl_engine import wiring
    from etl_engine.services import column_mappings, connections, mappings, schemas

    ctx = wiring.context()
    ids = {one.name: one.id for one in connections.list_(ctx, connections.Query()).items}
    fields = [field for rule in RULES for field in rule["target_fields"]]
    columns = [
        {"name": name, "data_type": "integer" if name == "code" else TYPES.get(name, "string")} for name in fields
    ]
    schema = schemas.create(ctx, {"name": "Target", "columns": columns}).id
    values = {"name": "Mapping", "source_connection_id": ids["a"], "target_schema_id": schema}
    values |= {"source_query": f"SELECT {COLUMNS} FROM src", "destination_table": "tgt"}
    made = mappings.create(ctx, values | {"destination_connection_id": ids["b"]})
    column_mappings.append(ctx, made.id, RULES, alone=False)
    wiring.engine().close()
    return made.id


def run(mapping: str) -> None:
    """In the child: order the execution and do it."""
    from etl_engine import wiring
    from etl_engine.services import execution_attempts, executions, mappings

    ctx = wiring.context()
    ordered = mappings.run(ctx, mapping)
    execution_attempts.claim_and_run(ctx, "benchmark", ending=threading.Event(), stall_seconds=600)
    done = executions.get(ctx, ordered.id)
    if done.status.value != "success":
        raise SystemExit(f"the mapping ended as {done.status.value}: {done.error}")


def check(bench: Bench) -> None:
    names = ", ".join(field for rule in RULES for field in rule["target_fields"])
    looked = "SELECT count(*), sum(hashtext((t.*)::text)::bigint) FROM ({}) t"
    [there] = bench.server.sql(looked.format(f"SELECT {names} FROM tgt"), database="b")
    [expected] = bench.server.sql(looked.format(f"SELECT {names} FROM ({MAPPED}) m"), database="a")
    if there != expected:
        raise SystemExit(f"the target is not what SQL makes of the source: {there} and {expected}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=2_000_000)
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--run", help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.run:
        run(chosen.run)
        return
    with tempfile.TemporaryDirectory() as folder, temporary(start_postgres, settings=SETTINGS) as server:
        bench = Bench(server, Path(folder), chosen.rows)
        os.environ["DATA_DIR"] = bench.environment["DATA_DIR"]
        mapping = prepare(bench)
        out = f'{bench.psql} -Xd a -c "COPY (SELECT {COLUMNS} FROM src) TO STDOUT"'
        into = f'{bench.psql} -Xq1 -v ON_ERROR_STOP=1 -d b -c "COPY tgt ({COLUMNS}) FROM STDIN"'
        floors, ours, memory, processor = [], [], 0, dict.fromkeys(("floor", "ours"), 0.0)
        for _ in range(chosen.repeat):
            server.sql("DROP TABLE IF EXISTS tgt", f"CREATE TABLE tgt ({SHAPE.format('')})", database="b")
            server.sql("CHECKPOINT", database="b")
            floors.append(bench.sh(f"{out} | {into}")[0])
            processor["floor"] += bench.processor / chosen.repeat
            server.sql("DROP TABLE IF EXISTS tgt, _etl_ledger, _etl_streams, _etl_seen", "CHECKPOINT", database="b")
            seconds, peak = bench.measured([sys.executable, __file__, "--run", mapping])
            processor["ours"] += bench.processor / chosen.repeat
            check(bench)
            ours.append(seconds)
            memory = max(memory, peak)
    floor, took = statistics.median(floors), statistics.median(ours)
    print(f"{chosen.rows:,} rows, {chosen.repeat} times interleaved, {os.cpu_count()} cores")
    print("| | floor | mapping | ratio | memory MB |\n|---|---|---|---|---|")
    print(f"| seconds | {floor:.2f} | {took:.2f} | {took / floor:.2f} | {memory / 1e6:.0f} |")
    spent_there, spent_here = processor["floor"], processor["ours"]
    print(f"| CPU s, servers included | {spent_there:.2f} | {spent_here:.2f} | {spent_here / spent_there:.2f} | |")


if __name__ == "__main__":
    main()
