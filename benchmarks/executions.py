#!/usr/bin/env python3
"""How quickly executions run: from POST to `success` on a warm worker, and a hundred at once beside the screen's calls.

The API and its workers are processes of their own on the embedded store, as `reflex run` has them; the work is a copy
of an empty SQLite table. `python benchmarks/executions.py --rounds 40`
"""

import argparse
import concurrent.futures
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "api"))
sys.path.insert(0, str(ROOT))

from api_server import free_port  # noqa: E402

SERVER = """
import contextlib, sys
from granian import Granian
def app():
    from etl_engine import wiring
    from etl_engine.api.app import create_api
    from etl_engine.workers.reaper import Reaper
    running = wiring.start("api")
    running.dispatch.start(running.config.worker_slots)
    Reaper().start()
    return create_api(wiring.context, origins=running.config.cors_origins)
if __name__ == "__main__":
    Granian("bench_server:app", factory=True, interface="asgi", address="127.0.0.1", port=int(sys.argv[1])).serve()
"""


@contextlib.contextmanager
def served(folder: Path, slots: int) -> Iterator[str]:
    port = free_port()
    (folder / "bench_server.py").write_text(SERVER)
    environment = {**os.environ, "DATA_DIR": str(folder / "data"), "WORKER_SLOTS": str(slots), "LOG_LEVEL": "warning"}
    environment["PYTHONPATH"] = f"{folder}:{ROOT}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "bench_server.py", str(port)], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 40
        while time.monotonic() < until:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{url}/health").status_code == 200:
                    break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def row(name: str, values: list[float]) -> str:
    ms = [value * 1000 for value in values]
    return f"| {name} | {statistics.median(ms):.0f} | {percentile(ms, 0.95):.0f} | {max(ms):.0f} |"


def until_final(client: httpx.Client, location: str) -> dict[str, Any]:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        found: dict[str, Any] = client.get(location).json()
        if found["status"] not in ("pending", "running", "lost"):
            return found
        time.sleep(0.004)
    raise AssertionError(f"{location} does not end: {found}")


def empty_copy(client: httpx.Client, folder: Path) -> dict[str, Any]:
    """The order of a copy of a table without rows."""
    import sqlite3

    files = folder / "data" / "files"
    files.mkdir(parents=True, exist_ok=True)
    ids = []
    for name in ("from", "into"):
        with contextlib.closing(sqlite3.connect(files / f"{name}.db")) as database:
            database.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, v TEXT)")
            database.commit()
        draft = {"name": name, "db_type": "sqlite", "database": f"{name}.db"}
        ids.append(client.post("/api/v1/connections/", json=draft).json()["_id"])
    return {"source_id": ids[0], "target_id": ids[1], "table": "t", "target": "t", "mode": "append"}


def one(client: httpx.Client, order: dict[str, Any]) -> float:
    began = time.perf_counter()
    answer = client.post("/api/v1/copies/", json=order)
    assert answer.status_code == 202, answer.text
    ended = until_final(client, answer.headers["location"])
    assert ended["status"] == "success", ended["error"]
    return time.perf_counter() - began


def many(client: httpx.Client, order: dict[str, Any], count: int) -> tuple[float, list[float], dict[str, int]]:
    """So many at once, with somebody who looks at lists meanwhile: seconds, his waits, how they ended."""
    waits: list[float] = []

    def looks(url: str, over: Callable[[], bool]) -> None:
        with httpx.Client(base_url=url) as other:
            while not over():
                began = time.perf_counter()
                other.get("/api/v1/connections/").raise_for_status()
                other.get("/api/v1/executions/?limit=50").raise_for_status()
                waits.append((time.perf_counter() - began) / 2)
                time.sleep(0.05)

    orders = [order | {"target": f"t{number}", "mode": "replace"} for number in range(count)]
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        over = False
        looking = pool.submit(looks, str(client.base_url), lambda: over)
        began = time.perf_counter()
        places = list(
            pool.map(
                lambda one: client.post("/api/v1/copies/", json=one).raise_for_status().headers["location"], orders
            )
        )
        ended = [until_final(client, place) for place in places]
        seconds = time.perf_counter() - began
        over = True
        looking.result()
    statuses: dict[str, int] = {}
    for found in ended:
        story = " > ".join(change["status"] for change in found["transitions"])
        statuses[story] = statuses.get(story, 0) + 1
    return seconds, waits, statuses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--slots", type=int, default=4)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as place,
        served(Path(place), options.slots) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        order = empty_copy(client, Path(place))
        for _ in range(3):
            one(client, order)
        warm = [one(client, order) for _ in range(options.rounds)]
        seconds, waits, statuses = many(client, order, options.at_once)
    print("| | median ms | p95 ms | worst ms |\n|---|---|---|---|")
    print(row("POST of a copy without rows to `success`, warm worker", warm))
    print(row(f"a list, while {options.at_once} run", waits))
    print(f"\n{options.at_once} at once, {options.slots} slots: {seconds:.1f} s; {statuses}")


if __name__ == "__main__":
    main()
