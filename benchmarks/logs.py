#!/usr/bin/env python3
"""The log of an execution with a million lines: written, opened, searched, followed. `python benchmarks/logs.py`"""

import argparse
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from etl_engine import settings
from etl_engine.model.execution import Graph, Level, Origin, Subject
from etl_engine.services import execution_claims, execution_logs, executions
from etl_engine.services.execution_logs import RunLog, Search
from etl_engine.wiring import Engine


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(call: Callable[[], object], times: int = 15) -> str:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    return f"{statistics.median(taken):.0f} | {max(taken):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as place:
        engine = Engine(settings.load(_env_file=None, data_dir=Path(place)))
        ctx = engine.context()
        made = executions.submit(ctx, Subject(kind="check"), Graph())
        held = execution_claims.claim(ctx, "benchmark")
        assert held
        log, dice = RunLog(ctx, held), random.Random(7)
        before, began = megabytes(), time.perf_counter()
        for number in range(1, lines + 1):
            level = Level.ERROR if number % 50_000 == 0 else Level.WARNING if number % 1000 == 0 else Level.INFO
            log.write(
                level, Origin.TARGET, f"Batch {number} of orders: {dice.randrange(10**9)} rows, {dice.random()} s"
            )
        log.write(Level.INFO, Origin.TARGET, "a needle in the hay")
        log.flush()
        seconds = time.perf_counter() - began
        size = sum(file.stat().st_size for file in Path(place).glob("etl_engine.db*")) / 1e6
        print(
            f"{lines:,} lines written in {seconds:.0f} s ({lines / seconds:,.0f}/s), {size:.0f} MB in the store; ",
            end="",
        )
        written = megabytes()
        last = lines + 1

        def page(**search: object) -> Callable[[], object]:
            return lambda: execution_logs.page(ctx, made.id, Search(limit=500, **search))  # type: ignore[arg-type]

        def all_of_it() -> None:
            after, more = 0, True
            while more:
                found = execution_logs.page(ctx, made.id, Search(after=after, limit=5000))
                after, more = found.items[-1].seq, found.more

        rows = {
            "the first page": page(),
            "the last page": page(before=last + 1),
            "a page in the middle": page(after=lines // 2),
            "errors only, 20 in all": page(level=Level.ERROR),
            "search: one line in all of them": page(text="NEEDLE in the"),
            "search: nothing found": page(text="no such words"),
            "follow: what is new, nothing": page(after=last),
        }
        figures = [f"| {name} | {timed(call)} |" for name, call in rows.items()]
        began = time.perf_counter()
        all_of_it()
        reading = time.perf_counter() - began
        print(f"memory {before:.0f} MB before, {written:.0f} after writing, {megabytes():.0f} at the end")
        print("\n| | median ms | worst ms |\n|---|---|---|")
        print("\n".join(figures))
        print(f"\nthe whole log read in pages: {reading:.0f} s")
        engine.close()


if __name__ == "__main__":
    main()
