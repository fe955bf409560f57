"""SIGKILL at random moments into copies to every kind of target, and both negative controls, in one run.

    python benchmarks/kills.py --kills 1000 --seed 20261120
    python benchmarks/kills.py --kills 40 --targets sqlite,lake

Starts private servers and folders of its own, shares the kills out evenly, has every load judged by readers that are
not ours, prints one table, and ends with 1 where a row was lost or doubled, or where a broken order went unnoticed.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "faults" / "copy")]

from killing import Tally, kill  # noqa: E402

SERVERS = ("postgresql", "mariadb")
TARGETS = (*SERVERS, "sqlite", "duckdb", "files", "s3", "lake")
CONTROLS = {"rows before the ledger": "doubled", "the ledger before rows": "lost"}


@contextmanager
def postgresql_pair() -> Any:
    from copying import Pair
    from servers import start_postgres, temporary

    with temporary(start_postgres) as server:
        server.sql("CREATE DATABASE one", "CREATE DATABASE other")
        yield Pair(server, "one", "other")


@contextmanager
def killable(name: str) -> Any:
    """Whatever a target needs, and gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="etl-kills-") as made:
        folder = Path(made)
        if name == "postgresql":
            from killing_servers import OfPostgresql

            with postgresql_pair() as pair:
                yield OfPostgresql(pair)
        elif name == "mariadb":
            from killing_servers import OfMariadb
            from mysql_copying import Database, Road
            from servers import start_mariadb, temporary

            with temporary(start_mariadb) as server:
                server.sql(*(f"CREATE DATABASE {one} CHARACTER SET utf8mb4" for one in ("one", "other")))
                yield OfMariadb(Road(Database(server, "one"), Database(server, "other")))
        elif name == "s3":
            from killing_files import OfBucket
            from s3_servers import s3_service

            with s3_service() as service:
                yield OfBucket(folder, service)
        elif name in ("sqlite", "duckdb"):
            from killing_files import OfDatabaseFile

            yield OfDatabaseFile(folder, {"sqlite": "into.db", "duckdb": "into.duckdb"}[name])
        else:
            from killing_files import OfTables

            yield OfTables(name, folder)


def killed(name: str, kills: int, seed: int) -> Tally:
    """In a process of its own: some targets are copied to by children that are forked, others do not outlive that."""
    try:
        with killable(name) as target:
            return kill(target, kills, seed)
    except Exception:
        return Tally(name, "?", wrong=[f"{name} came to no end: {traceback.format_exc()}"])


def control(order: str, seed: int) -> Tally:
    """Clean where the judge saw that the order is broken."""
    from killing_servers import caught

    try:
        with postgresql_pair() as pair:
            kills, lost, doubled = caught(pair, CONTROLS[order], seed)
    except Exception:
        return Tally(order, "append", wrong=[traceback.format_exc()])
    unseen = [] if kills else [f"{order}: 600 kills, and nobody noticed"]
    return Tally(order, "append", kills, kills, lost, doubled, unseen)


def shares(kills: int, targets: list[str]) -> dict[str, int]:
    each, more = divmod(kills, len(targets))
    return {name: each + (number < more) for number, name in enumerate(targets)}


def table(tallies: list[Tally]) -> str:
    lines = ["| target | modes | kills | loads | rows lost | rows doubled |", "|---|---|---|---|---|---|"]
    lines += [f"| {t.target} | {t.modes} | {t.kills} | {t.loads} | {t.lost} | {t.doubled} |" for t in tallies]
    sums = [sum(getattr(one, name) for one in tallies) for name in ("kills", "loads", "lost", "doubled")]
    return "\n".join([*lines, f"| all | | {' | '.join(map(str, sums))} |"])


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--kills", type=int, default=1000, help="of all targets together")
    asked.add_argument("--seed", type=int, default=20261120)
    asked.add_argument("--targets", default=",".join(TARGETS), help="some of %(default)s")
    asked.add_argument("--jobs", type=int, default=1, help="targets at a time")
    given = asked.parse_args()
    targets = [name for name in TARGETS if name in given.targets.split(",")]
    if not targets or given.kills < len(targets):
        asked.error("name some targets, and at least one kill for each")
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.jobs, context, max_tasks_per_child=1) as pool:

        def later(work: Callable[..., Tally], *arguments: Any) -> Any:
            future = pool.submit(work, *arguments, given.seed)
            future.add_done_callback(
                lambda done: print(f"{time.monotonic() - began:6.0f} s  {done.result()}", file=sys.stderr)
            )
            return future

        ordered = [later(killed, name, kills) for name, kills in shares(given.kills, targets).items()]
        checks = [later(control, order) for order in CONTROLS]
        tallies, controls = [one.result() for one in ordered], [one.result() for one in checks]
    print(f"\nseed {given.seed}, {time.monotonic() - began:.0f} s\n\n{table(tallies)}\n")
    for order in controls:
        found = f"{order.doubled} doubled and {order.lost} lost after {order.kills} kills"
        print(f"broken on purpose, {order.target}: {found}")
    wrong = [complaint for one in (*tallies, *controls) for complaint in one.wrong]
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
