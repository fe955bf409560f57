"""What schedulers cost: `python benchmarks/schedules.py [--schedules 10000] [--seconds 20]`, on a temporary SQLite.

An idle scheduler ticks once a second over schedules of which none is due; then so many are due in one minute.
"""

import argparse
import datetime as dt
import statistics
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "faults" / "schedules"))
from simulating import Day, context

from etl_engine.model.collections import SCHEDULES
from etl_engine.services import schedule_fires
from etl_engine.workers.scheduler import SECONDS_BETWEEN_TICKS

DUE = 1000


def idle(day: Day, seconds: float) -> tuple[float, list[float]]:
    """Share of one processor, and how long each tick took in milliseconds."""
    with context(day.folder, day.key) as ctx:
        early, taken = day.begin - dt.timedelta(days=2), []
        schedule_fires.tick(ctx, now=early)
        wall, cpu = time.monotonic(), time.process_time()
        while time.monotonic() - wall < seconds:
            begun = time.perf_counter()
            done = schedule_fires.tick(ctx, now=early)
            taken.append((time.perf_counter() - begun) * 1000)
            assert not done.decided and not done.delivered
            time.sleep(SECONDS_BETWEEN_TICKS)
        return (time.process_time() - cpu) / (time.monotonic() - wall), taken


def burst(day: Day) -> float:
    """Fires a second, where so many are due at once: from the tick that finds them to the last ordered execution."""
    with context(day.folder, day.key) as ctx:
        due = ctx.store.find(SCHEDULES.name, sort=[("_id", 1)], limit=DUE)
        midnight = {"cron_expression": "0 0 * * *", "timezone": "Europe/Berlin", "next_run_at": day.begin}
        for one in due:
            ctx.store.update(SCHEDULES.name, {"_id": one["_id"]}, midnight)
        begun, fired = time.monotonic(), 0
        while fired < len(due):
            fired += schedule_fires.tick(ctx, now=day.begin).delivered
        return fired / (time.monotonic() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        day = Day(Path(folder), dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC), asked.schedules)
        day.prepare()
        share, taken = idle(day, asked.seconds)
        speed = burst(day)
    table = Table(title=f"{asked.schedules:,} schedules")
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_row("idle scheduler, of one processor", f"{share:.2%}")
    table.add_row("idle tick, median", f"{statistics.median(taken):.1f} ms")
    table.add_row(f"{min(DUE, asked.schedules):,} due at once, one scheduler", f"{speed:.0f} fires/s")
    Console().print(table)


if __name__ == "__main__":
    main()
